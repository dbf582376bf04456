export { FormationCore, type FormationOptions, type FormationStatus } from './formation.js';
export { declineReasons, type Accepted, type Ballot, type DeclineReason, type FormationEffect, type FormationEvent, type FormationMessage, type FormationRecord, type FormingPeer, type JoinedHow, type RequestId } from './formation-messages.js';
export { decodeFormationMessage, encodeFormationMessage } from './formation-codec.js';

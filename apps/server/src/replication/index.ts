/** The server's side of replication: what the core of @engram/replication decides is done here. */
export { rebuildHint } from './copy-record-codec.js';
export { ReplicatedJournal, type Freshness, type ReplicatedJournalOptions, type ReplicationView } from './replicated-journal.js';
export { ReplicationPerformer, type PeerStreams, type PerformerOptions } from './replication-performer.js';
export { startOf, type FoundStart, type StartOptions } from './replication-start.js';
export { openStateStore, type StateStore, type StateStoreOptions } from './state-store.js';

import { isClusterId, isNodeId, utf8Encode, type ClusterId } from '@engram/kernel';
import { declineReasons, type Ballot, type DeclineReason, type FormationMessage } from './formation-messages.js';

/**
 * A formation message as bytes: `form1`, its kind and its fields as words of ASCII. There are few of them in the life of
 * a cluster, and an operator who looks at the wire can read them.
 */
const prefix = 'form1';
export const formationBytesMax = 256;
const roundMax = 1_000_000_000;

/** At most `formationBytesMax` bytes of ASCII. */
export function encodeFormationMessage(message: FormationMessage): Uint8Array {
  return utf8Encode([prefix, message.kind, ...wordsOf(message)].join(' '));
}

function wordsOf(message: FormationMessage): (string | number)[] {
  switch (message.kind) {
    case 'prepare':  return [...ballotWords(message.ballot), message.expect];
    case 'promise':  return [...ballotWords(message.ballot), ...(message.accepted ? [...ballotWords(message.accepted.ballot), message.accepted.clusterId] : [])];
    case 'accept':   return [...ballotWords(message.ballot), message.clusterId];
    case 'accepted': return ballotWords(message.ballot);
    case 'refuse':   return [...ballotWords(message.ballot), ...ballotWords(message.promised)];
    case 'decline':  return [...ballotWords(message.ballot), message.reason];
    case 'decided':  return [message.clusterId];
  }
}

/** Undefined for whatever is not a formation message. Never throws. */
export function decodeFormationMessage(bytes: Uint8Array): FormationMessage | undefined {
  if (bytes.length > formationBytesMax) return undefined;
  const words = String.fromCharCode(...bytes).split(' ');
  if (words.shift() !== prefix) return undefined;
  const kind = words.shift();
  if (kind === 'decided') return words.length === 1 && isClusterId(words[0]) ? { kind, clusterId: words[0] } : undefined;
  const ballot = readBallot(words);
  if (!ballot) return undefined;
  const [first, second, third] = words;
  switch (kind) {
    case 'prepare':
      return words.length === 1 && isWhole(first, 1_000) ? { kind, ballot, expect: Number(first) } : undefined;
    case 'promise': {
      if (words.length === 0) return { kind, ballot };
      const earlier = readBallot(words);
      return earlier && words.length === 1 && isClusterId(third) ? { kind, ballot, accepted: { ballot: earlier, clusterId: third } } : undefined;
    }
    case 'accept':
      return words.length === 1 && isClusterId(first) ? { kind, ballot, clusterId: first as ClusterId } : undefined;
    case 'accepted':
      return words.length === 0 ? { kind, ballot } : undefined;
    case 'refuse': {
      const promised = second === undefined ? undefined : readBallot(words);
      return promised && words.length === 0 ? { kind, ballot, promised } : undefined;
    }
    case 'decline':
      return words.length === 1 && first !== undefined && Object.hasOwn(declineReasons, first) ? { kind, ballot, reason: first as DeclineReason } : undefined;
    default:
      return undefined;
  }
}

function ballotWords({ round, node }: Ballot): (string | number)[] {
  return [round, node];
}

/** Takes the two words of a ballot off the front. */
function readBallot(words: string[]): Ballot | undefined {
  const [round, node] = words.splice(0, 2);
  return isWhole(round, roundMax) && isNodeId(node) ? { round: Number(round), node } : undefined;
}

function isWhole(word: string | undefined, most: number): word is string {
  return word !== undefined && /^[1-9]\d{0,9}$/.test(word) && Number(word) <= most;
}

/** What one client has written, as its token says, and what that asks of whoever answers its reads. */
import { EngramError, type ClusterId, type SpaceId } from '@engram/kernel';
import { decodeSession, encodeSession, mergeSessions, sessionClusterOf, sessionHeader, type Session, type SessionPosition } from '@engram/rpc';

/** What sessions must know of this node's copies. */
export interface SessionView {
  clusterId(): ClusterId | undefined;
  /** Whether this node may act as the primary of a partition at this very moment. */
  leads(partition: number): boolean;
  /** Whether this node has applied what a position stands for. */
  hasApplied(position: SessionPosition): boolean;
  /** Whether it has, at the latest after `waitMs`; 0 for at once. */
  awaitPosition(position: SessionPosition, waitMs: number): Promise<boolean>;
}

/** A client may send this many tokens at once, joined by commas; with more it has lost sight of them. */
const tokensMax = 64;
/** Whoever was refused has waited already. */
const retryAfterMs = 500;

export class ClientSession {
  readonly #view: SessionView;
  /** What the client says that it wrote before. */
  readonly #given: Session | undefined;
  /** The same, and what was written in its name since; undefined while that is nothing. */
  #written: Session | undefined;

  /**
   * @param header What the client sent in `x-engram-session`.
   * @throws EngramError `invalid_argument` for what is no token and for one of another cluster; `not_ready` while this
   *   node cannot tell, because it belongs to none.
   */
  constructor(view: SessionView, header: string | undefined) {
    this.#view = view;
    this.#given = header === undefined ? undefined : readTokens(header, view.clusterId());
  }

  /** What the client sends along from now on to read what it wrote; undefined while nothing was written in its name. */
  get token(): string | undefined {
    return this.#written && encodeSession(this.#written);
  }

  /** A write was acknowledged here. */
  wrote(position: SessionPosition): void {
    const clusterId = this.#view.clusterId();
    if (clusterId !== undefined) this.#add({ cluster: sessionClusterOf(clusterId), positions: [position], more: false });
  }

  /** A write was acknowledged by another node, which gave this token for it. */
  wroteElsewhere(token: string | undefined): void {
    if (token === undefined) return;
    try {
      this.#add(decodeSession(token));
    } catch (error) {
      // The write happened. Nodes that write tokens otherwise speak another protocol and refuse each other before it comes to this.
      if (!(error instanceof EngramError)) throw error;
    }
  }

  /** Whether a read of the partition depends on what was written before. */
  concerns(partition: number): boolean {
    return this.#given !== undefined && (this.#given.more || this.#given.positions.some((position) => position.partition === partition));
  }

  /** Whether the copy here lacks what was written, or cannot tell. */
  lags(partition: number): boolean {
    if (!this.concerns(partition)) return false;
    const position = this.#positionOf(partition);
    return position === undefined ? !this.#view.leads(partition) : !this.#view.hasApplied(position);
  }

  /** Waits for what was written to come to the copy here. Whether it has, at the latest after `waitMs`. */
  async caughtUp(partition: number, waitMs: number): Promise<boolean> {
    if (!this.lags(partition)) return true;
    const position = this.#positionOf(partition);
    return position !== undefined && this.#view.awaitPosition(position, Math.max(0, waitMs));
  }

  /** Why a read of the space is refused. */
  behind(space: SpaceId, partition: number): EngramError {
    const details = { space, partition, retryAfterMs };
    if (this.#positionOf(partition) === undefined) {
      return new EngramError('copy_behind', `Only the primary of space ${space} can tell whether it has what was written: the session token names too few of the partitions that were written to.`, {
        hint: 'Try again in a moment, on any node; or begin with a new session, which names the partitions that are written to from then on.',
        details,
      });
    }
    return new EngramError('copy_behind', `The copy of space ${space} that was asked does not have yet what the session token stands for.`, {
      hint: 'Try again in a moment, on any node. When it stays so, a write was acknowledged with ack=local by a node that is gone: without the token what is there can be read.',
      details,
    });
  }

  /** Undefined also for a partition that a full token does not name. */
  #positionOf(partition: number): SessionPosition | undefined {
    return this.#given?.positions.find((position) => position.partition === partition);
  }

  #add(session: Session): void {
    const before = this.#written ?? this.#given;
    this.#written = before === undefined ? session : mergeSessions(before, session);
  }
}

/** @throws EngramError `invalid_argument` when there is a token: a node that runs alone gives none. */
export function refuseTokens(header: string | undefined): void {
  if (header === undefined) return;
  throw new EngramError('invalid_argument', `This node runs alone, so it cannot tell what the token in ${sessionHeader} stands for: it is of a cluster.`, {
    hint: `Ask a node of that cluster, or leave ${sessionHeader} out.`,
    details: { field: sessionHeader },
  });
}

function readTokens(header: string, clusterId: ClusterId | undefined): Session {
  if (clusterId === undefined) throw new EngramError('not_ready', `This node belongs to no cluster yet, so it cannot tell what the token in ${sessionHeader} stands for.`);
  const tokens = header.split(',', tokensMax + 1).map((token) => token.trim());
  if (tokens.length > tokensMax) {
    throw new EngramError('invalid_argument', `${sessionHeader} has more than ${tokensMax} tokens.`, { hint: 'Send the latest answer of each space, or the one of the latest request that was sent with the tokens before.', details: { field: sessionHeader } });
  }
  const sessions = tokens.map(decodeSession);
  const ours = sessionClusterOf(clusterId);
  if (sessions.some(({ cluster }) => cluster !== ours)) {
    throw new EngramError('invalid_argument', `The token in ${sessionHeader} is of another cluster than this node's, which is ${clusterId}.`, {
      hint: 'What was written to another cluster is not to be found here. Ask a node of that one, or leave the token out.',
      details: { field: sessionHeader },
    });
  }
  return sessions.reduce(mergeSessions);
}

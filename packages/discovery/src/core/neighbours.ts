import { plusMs, type Instant } from '@engram/kernel';

/** What a node on the same network says about itself. */
export interface Announcement {
  readonly nodeId: string;
  /** When the node started, in milliseconds since 1970: a node that started again counts anew. */
  readonly startedAtMs: number;
  /** Grows with each announcement of one start. */
  readonly sequence: number;
  readonly endpoint: string;
  /** How often it announces. */
  readonly everyMs: number;
}

/** So many announcements may be lost before a node is forgotten. */
export const announcementsMissedMax = 3;

interface Neighbour {
  readonly announcement: Announcement;
  readonly forgetAt: Instant;
}

/**
 * Who announces on the network at the moment. Bounded: once it is full, those in it stay and new ones wait for room, so a
 * flood of invented nodes cannot push out the real ones that were there before.
 */
export class Neighbours {
  readonly #sizeMax: number;
  readonly #byNode = new Map<string, Neighbour>();
  /** Announcements there was no room for. */
  refused = 0;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** Whether the endpoints changed. An announcement that is not newer than the last of its node is ignored. */
  announced(announcement: Announcement, now: Instant): boolean {
    const known = this.#byNode.get(announcement.nodeId)?.announcement;
    if (known && !isNewer(announcement, known)) return false;
    if (!known && this.#byNode.size >= this.#sizeMax) {
      this.refused += 1;
      return false;
    }
    this.#byNode.set(announcement.nodeId, { announcement, forgetAt: plusMs(now, announcementsMissedMax * announcement.everyMs) });
    return known?.endpoint !== announcement.endpoint;
  }

  /** A node takes its leave. Says whether the endpoints changed. */
  left(leave: Pick<Announcement, 'nodeId' | 'startedAtMs' | 'sequence'>): boolean {
    const known = this.#byNode.get(leave.nodeId)?.announcement;
    return known !== undefined && isNewer(leave, known) && this.#byNode.delete(leave.nodeId);
  }

  /** Forgets who has not been heard for too long. Says whether the endpoints changed. */
  forget(now: Instant): boolean {
    const before = this.#byNode.size;
    for (const [nodeId, { forgetAt }] of this.#byNode) if (forgetAt <= now) this.#byNode.delete(nodeId);
    return this.#byNode.size < before;
  }

  /** When the next one is to be forgotten, if it is not heard before. */
  nextForget(): Instant | undefined {
    let next: Instant | undefined;
    for (const { forgetAt } of this.#byNode.values()) if (next === undefined || forgetAt < next) next = forgetAt;
    return next;
  }

  /** Of everybody known now, in no order. */
  endpoints(): readonly string[] {
    return [...this.#byNode.values()].map(({ announcement }) => announcement.endpoint);
  }
}

function isNewer(a: Pick<Announcement, 'startedAtMs' | 'sequence'>, b: Announcement): boolean {
  return a.startedAtMs > b.startedAtMs || (a.startedAtMs === b.startedAtMs && a.sequence > b.sequence);
}

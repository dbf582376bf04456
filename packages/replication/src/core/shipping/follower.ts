import { assert, plusMs, sometimes, type Instant, type NodeId } from '@engram/kernel';
import { Lineage } from './lineage.js';
import type { Leader } from './leader.js';
import type { Continuation, Following, PartitionCopy } from './partition-copy.js';
import type { Peer, Peers } from './peers.js';
import { copyOf, fromWire, persist, type Shared } from './shared.js';
import type { EntryGroup, FencedMessage, HeartbeatItem, LineageItem, RefusalReason, SnapshotBeginMessage, SnapshotResume, WireMessage } from './wire.js';

type MessageOf<K extends WireMessage['kind']> = Extract<WireMessage, { kind: K }>;

/** What this node does for the partitions it holds a copy of: listens to one primary at a time, and keeps its promises. */
export class Follower {
  readonly #shared: Shared;
  readonly #peers: Peers;
  readonly #leader: Leader;

  constructor(shared: Shared, peers: Peers, leader: Leader) {
    this.#shared = shared;
    this.#peers = peers;
    this.#leader = leader;
  }

  /** A primary says where its logs are. Ours follow it, unless they have promised themselves to a later epoch. */
  lineages(stream: number, items: readonly LineageItem[]): void {
    for (const item of items) {
      const copy = copyOf(this.#shared, item.partition);
      // Whoever claims the epoch that we lead in ourselves is refused as well: an epoch has one primary.
      if (item.epoch < copy.promised || copy.reign?.epoch === item.epoch) {
        this.#refuse(stream, copy, item.epoch, 'stale-epoch');
        continue;
      }
      this.#promise(copy, item.epoch);
      copy.waiting = copy.waiting.filter((one) => one.kind !== 'reconcile' && one.kind !== 'answer-position');
      copy.waiting.push({ kind: 'reconcile', stream, item, record: 0 });
      this.settle(copy);
    }
  }

  entries(peer: Peer, stream: number, groups: readonly EntryGroup[], now: Instant): void {
    const known: { partition: number; epoch: number; seq: number }[] = [];
    for (const group of groups) {
      const copy = this.#shared.copies.get(group.partition);
      if (copy !== undefined && !this.#take(copy, peer, stream, group, now)) known.push({ partition: group.partition, epoch: group.epoch, seq: copy.durable });
    }
    if (known.length > 0) this.#peers.reply(stream, { kind: 'appended', items: known });
  }

  heartbeat(stream: number, items: readonly HeartbeatItem[], now: Instant): void {
    for (const item of items) {
      const copy = this.#shared.copies.get(item.partition);
      if (copy?.following?.stream === stream && copy.following.epoch === item.epoch) this.#heard(copy, item.committed, item.seq, now);
    }
  }

  /** The log refused what was on its way: the primary shall go on from where we are. */
  dropped(copy: PartitionCopy): void {
    if (copy.following === undefined) return;
    const { stream, epoch } = copy.following;
    copy.following = undefined;
    this.#refuse(stream, copy, epoch, 'disk');
  }

  lost(stream: number): void {
    for (const copy of this.#shared.copies.values()) if (copy.following?.stream === stream) copy.following = undefined;
  }

  /** Someone asks this copy to refuse all epochs below `epoch`. Without a stream it is someone on this node. */
  fence(stream: number | undefined, partition: number, epoch: number): void {
    const copy = copyOf(this.#shared, partition);
    // Who has a primary in this very epoch was asked too late.
    const led = copy.reign?.epoch === epoch || copy.following?.epoch === epoch || copy.lineage.epoch === epoch;
    if (epoch < copy.promised || led) return this.#answerFence(copy, stream, epoch, false);
    const { following } = copy;
    this.#promise(copy, epoch);
    // What was on its way from the primary is not answered any more. With its window full of that it would wait for ever.
    if (following !== undefined) this.#refuse(following.stream, copy, following.epoch, 'stale-epoch');
    // Only the latest question of each asker is answered, so that a stuck disk does not gather them.
    copy.waiting = copy.waiting.filter((one) => one.stream !== stream || (one.kind !== 'promise' && one.kind !== 'answer-fence'));
    copy.waiting.push({ kind: 'promise', stream, epoch, record: 0 });
    this.settle(copy);
  }

  /** Goes on with what waited for entries or records to be durable. */
  settle(copy: PartitionCopy): void {
    for (let head = copy.waiting[0]; head !== undefined && copy.settled && head.record <= copy.recorded; head = copy.waiting[0]) {
      copy.waiting.shift();
      const follow = this.#continue(copy, head);
      if (follow !== undefined) copy.waiting.unshift(follow);
    }
  }

  snapshotBegin(stream: number, message: SnapshotBeginMessage): void {
    const copy = this.#attached(stream, message.partition, message.epoch);
    if (copy === undefined) return this.#ack(stream, message, '', 'unexpected');
    const at = new Lineage(message.lineage, message.seq).end;
    const resumes = copy.install !== undefined && copy.install.at.epoch === at.epoch && copy.install.at.seq === at.seq && message.cursor !== '' && copy.install.cursor === message.cursor;
    if (resumes) {
      sometimes('a snapshot goes on where it was cut off');
      copy.install!.stream = stream;
      copy.install!.epoch = message.epoch;
      return;
    }
    if (message.cursor !== '' || message.seq <= copy.durable) return this.#ack(stream, message, '', 'unexpected');
    copy.install = { at, lineage: message.lineage, takenUp: message.takenUp, stream, epoch: message.epoch, cursor: '', chunks: 0, checksum: 0, busy: undefined };
  }

  snapshotChunk(stream: number, message: MessageOf<'snapshot-chunk'>): void {
    const copy = this.#attached(stream, message.partition, message.epoch);
    const install = copy?.install;
    // One at a time; who took the acknowledgement of an earlier snapshot for one of this begins anew from where we are.
    const busy = install?.busy !== undefined;
    if (copy === undefined || install === undefined || busy || install.cursor !== message.cursor || (install.cursor === '' && install.chunks > 0)) return this.#ack(stream, message, '', 'unexpected');
    if (this.#shared.checksum.ofBytes(message.bytes, 0) !== message.checksum) {
      this.#shared.counters.refused.corrupt++;
      return this.#ack(stream, message, message.cursor, 'corrupt');
    }
    const id = this.#shared.nextId();
    install.busy = { id, next: message.next, finishing: false, checksum: this.#shared.checksum.ofBytes(message.bytes, install.checksum) };
    this.#shared.effects.push({ kind: 'install-chunk', id, partition: copy.partition, bytes: message.bytes });
  }

  snapshotEnd(stream: number, message: MessageOf<'snapshot-end'>): void {
    const copy = this.#attached(stream, message.partition, message.epoch);
    const install = copy?.install;
    if (copy === undefined || install === undefined || install.busy !== undefined) return this.#ack(stream, message, '', 'unexpected');
    if (install.cursor !== '' || install.chunks !== message.chunks || install.checksum !== message.checksum) {
      // A chunk is missing or came twice: nothing is lost by beginning anew.
      copy.install = undefined;
      copy.following = undefined;
      return this.#refuse(stream, copy, message.epoch, 'not-attached');
    }
    const id = this.#shared.nextId();
    install.busy = { id, next: '', finishing: true, checksum: install.checksum };
    this.#shared.effects.push({ kind: 'finish-install', id, partition: copy.partition });
  }

  /** The store answered. Returns the copy when that has brought it further. */
  installed(id: number): PartitionCopy | undefined {
    const copy = this.#installing(id);
    if (copy === undefined) return undefined;
    const install = copy.install!;
    const { next, finishing, checksum } = install.busy!;
    install.busy = undefined;
    if (!finishing) {
      install.cursor = next;
      install.chunks++;
      install.checksum = checksum;
      this.#ack(install.stream, { partition: copy.partition, epoch: install.epoch }, next, 'ok');
      return undefined;
    }
    copy.install = undefined;
    if (copy.following?.epoch !== install.epoch || install.at.seq <= copy.durable) return undefined;
    copy.installed(install);
    this.#shared.counters.snapshotsReceived++;
    copy.waiting.push({ kind: 'answer-position', stream: install.stream, epoch: install.epoch, record: persist(this.#shared, copy) });
    this.settle(copy);
    return copy;
  }

  installFailed(id: number): void {
    const copy = this.#installing(id);
    if (copy === undefined) return;
    copy.install = undefined;
    this.dropped(copy);
  }

  /** False when there was nothing new in it. A group that is refused counts as new. */
  #take(copy: PartitionCopy, peer: Peer, stream: number, group: EntryGroup, now: Instant): boolean {
    const { following, lineage } = copy;
    if (group.epoch < copy.promised) return this.#refused(stream, copy, group.epoch, 'stale-epoch');
    if (following?.stream !== stream || following.epoch !== group.epoch) return this.#refused(stream, copy, group.epoch, 'not-attached');
    if (group.firstSeq > lineage.seq + 1) return this.#askAnew(copy, following, 'gap', now);
    if (lineage.epochAt(group.firstSeq - 1) !== group.prevEpoch) return this.#refused(stream, copy, group.epoch, 'not-attached');
    // The primary chooses the way: a snapshot that was begun is of no use once entries come.
    copy.install = undefined;
    let fresh = false;
    for (const [index, wire] of group.entries.entries()) {
      const seq = group.firstSeq + index;
      if (wire.epoch > group.epoch || (seq <= lineage.seq ? lineage.epochAt(seq) !== wire.epoch : wire.epoch < lineage.epoch)) return this.#refused(stream, copy, group.epoch, 'not-attached');
      if (seq <= lineage.seq) {
        this.#shared.counters.entriesKnown++;
        continue;
      }
      const entry = fromWire(this.#shared, copy.partition, seq, wire);
      if (entry === undefined) {
        this.#shared.effects.push({ kind: 'corrupt-entry', peer: peer.node, partition: copy.partition, epoch: wire.epoch, seq });
        following.asked = undefined;
        return this.#askAnew(copy, following, 'corrupt', now);
      }
      copy.enqueue(entry);
      this.#shared.writer.push(entry);
      this.#shared.counters.entriesReceived++;
      fresh = true;
    }
    this.#heard(copy, group.committed, group.firstSeq + group.entries.length - 1, now);
    return fresh;
  }

  #heard(copy: PartitionCopy, committed: number, seq: number, now: Instant): void {
    copy.committed = Math.max(copy.committed, committed);
    copy.primarySeq = Math.max(copy.primarySeq, seq);
    copy.heardAt = now;
  }

  /** Lower epochs are refused from this moment on; nobody is told before it is durable. */
  #promise(copy: PartitionCopy, epoch: number): void {
    copy.following = undefined;
    if (epoch <= copy.promised) return;
    copy.promised = epoch;
    if (copy.reign !== undefined) this.#leader.stepDown(copy);
  }

  #continue(copy: PartitionCopy, step: Continuation): Continuation | undefined {
    switch (step.kind) {
      case 'reconcile':
        return this.#reconcile(copy, step.stream, step.item);
      case 'answer-position':
        if (step.epoch !== copy.promised || copy.reign !== undefined) return undefined;
        copy.following = { stream: step.stream, epoch: step.epoch, asked: undefined };
        this.#peers.reply(step.stream, { kind: 'positions', items: [{ partition: copy.partition, epoch: step.epoch, seq: copy.durable, resume: this.#resume(copy) }] });
        return undefined;
      case 'promise':
        return { kind: 'answer-fence', stream: step.stream, epoch: step.epoch, record: persist(this.#shared, copy) };
      case 'answer-fence':
        this.#answerFence(copy, step.stream, step.epoch, step.epoch >= copy.promised);
        return undefined;
    }
  }

  /** Our log becomes a beginning of the primary's; what it does not have is set aside. */
  #reconcile(copy: PartitionCopy, stream: number, item: LineageItem): Continuation | undefined {
    if (item.epoch !== copy.promised || copy.reign !== undefined) {
      this.#refuse(stream, copy, item.epoch, 'stale-epoch');
      return undefined;
    }
    const theirs = new Lineage(item.lineage, item.seq);
    const common = copy.lineage.commonWith(theirs);
    // What this very primary shipped us since it described its log is its own as well.
    const ahead = common === item.seq && copy.lineage.epoch === item.epoch;
    const aside = !ahead && common < copy.durable;
    if (aside) {
      const from = { epoch: copy.lineage.epochAt(common + 1), seq: common + 1 };
      const to = copy.position;
      copy.setAsideAfter(common);
      this.#shared.counters.tailEntriesSetAside += to.seq - common;
      this.#shared.effects.push({ kind: 'tail-set-aside', partition: copy.partition, entries: to.seq - common, from, to });
    }
    if (copy.install !== undefined) {
      const resumable = theirs.has(copy.install.at) && copy.install.at.seq > copy.durable;
      if (resumable) copy.install.busy = undefined;
      else copy.install = undefined;
    }
    copy.primarySeq = item.seq;
    copy.committed = Math.max(copy.committed, item.committed);
    const record = aside || copy.promised > copy.promiseRecorded ? persist(this.#shared, copy) : copy.recordAsked;
    return { kind: 'answer-position', stream, epoch: item.epoch, record };
  }

  #resume(copy: PartitionCopy): SnapshotResume | undefined {
    const { install } = copy;
    return install === undefined || install.cursor === '' ? undefined : { at: install.at, cursor: install.cursor, chunks: install.chunks, checksum: install.checksum };
  }

  #answerFence(copy: PartitionCopy, stream: number | undefined, epoch: number, granted: boolean): void {
    const { position, promised, partition } = copy;
    const lineage = new Lineage(copy.lineage.steps, copy.lineage.seq);
    lineage.cut(copy.durable);
    const { nodeId, storageId } = this.#shared.self;
    if (stream === undefined) this.#shared.effects.push({ kind: 'copy-fenced', partition, epoch, node: nodeId, storage: storageId, granted, promised, position, lineage: lineage.steps });
    else this.#peers.reply(stream, { kind: 'fenced', partition, epoch, granted, promised, seq: position.seq, lineage: lineage.steps });
  }

  /** Another copy's word, for a promoter on this node. */
  fenced(node: NodeId, storage: string, { partition, epoch, granted, promised, seq, lineage }: FencedMessage): void {
    const position = new Lineage(lineage, seq).end;
    this.#shared.effects.push({ kind: 'copy-fenced', partition, epoch, node, storage, granted, promised, position, lineage });
  }

  #attached(stream: number, partition: number, epoch: number): PartitionCopy | undefined {
    const copy = this.#shared.copies.get(partition);
    return copy?.following?.stream === stream && copy.following.epoch === epoch && copy.settled ? copy : undefined;
  }

  #installing(id: number): PartitionCopy | undefined {
    for (const copy of this.#shared.copies.values()) if (copy.install?.busy?.id === id) return copy;
    return undefined;
  }

  #ack(stream: number, { partition, epoch }: { readonly partition: number; readonly epoch: number }, cursor: string, outcome: 'ok' | 'corrupt' | 'unexpected'): void {
    this.#peers.reply(stream, { kind: 'snapshot-ack', partition, epoch, cursor, outcome });
  }

  /** Once for each place: everything that was on its way behind the first would otherwise be sent as often as it is refused. */
  #askAnew(copy: PartitionCopy, following: Following, reason: RefusalReason, now: Instant): true {
    const { asked } = following;
    if (asked !== undefined && asked.seq === copy.lineage.seq && now < asked.until) return true;
    following.asked = { seq: copy.lineage.seq, until: plusMs(now, this.#shared.options.heartbeatMs) };
    return this.#refused(following.stream, copy, following.epoch, reason);
  }

  #refused(stream: number, copy: PartitionCopy, epoch: number, reason: RefusalReason): true {
    this.#refuse(stream, copy, epoch, reason);
    return true;
  }

  #refuse(stream: number, copy: PartitionCopy, epoch: number, reason: RefusalReason): void {
    assert(copy.promised >= copy.lineage.epoch, 'a copy has promised at least the epoch of its last entry', { partition: copy.partition });
    this.#shared.counters.refused[reason]++;
    this.#peers.reply(stream, { kind: 'refused', partition: copy.partition, epoch, reason, promised: copy.promised, seq: copy.lineage.seq });
  }
}

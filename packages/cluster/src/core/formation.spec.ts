import { instant, parseClusterId, parseNodeId, plusMs, Random, wake, type Instant, type NodeId } from '@engram/kernel';
import { describe, expect, it } from 'vitest';
import { FormationCore, type FormationOptions } from './formation.js';
import type { Ballot, FormationEffect, FormationEvent, FormationMessage, FormationRecord } from './formation-messages.js';

const [a, b, c] = ['a', 'b', 'c'].map((id) => parseNodeId(id)) as [NodeId, NodeId, NodeId];
const elsewhere = parseClusterId('elsewhere');
const ballot = (round: number, node: NodeId): Ballot => ({ round, node });

/** A node whose disk answers at once. */
class Node {
  readonly core: FormationCore;
  now: Instant = instant(1_000_000);

  constructor(self: NodeId, options: Partial<FormationOptions> = {}) {
    this.core = new FormationCore(Random.fromSeed(self), { self, record: {}, expect: 3, ...options });
  }

  /** What follows from the event, the writing included. */
  on(event: FormationEvent | typeof wake): FormationEffect[] {
    return this.core.handle(event, this.now).flatMap((effect) => (effect.kind === 'persist' ? [effect, ...this.on({ kind: 'persisted' })] : [effect]));
  }

  meets(...ids: NodeId[]): FormationEffect[] {
    return this.on({ kind: 'peers', peers: ids.map((id) => ({ id, expect: 3 })) });
  }

  hears(from: NodeId, message: FormationMessage): FormationEffect[] {
    return this.on({ kind: 'message-received', from, message });
  }

  later(ms: number): FormationEffect[] {
    this.now = plusMs(this.now, ms);
    return this.on(wake);
  }
}

const kinds = (effects: readonly FormationEffect[]): string[] => effects.map((effect) => (effect.kind === 'send' ? `${effect.message.kind} to ${effect.to}` : effect.kind));
const recordOf = (effects: readonly FormationEffect[]): FormationRecord | undefined => effects.findLast((effect) => effect.kind === 'persist')?.record;

describe('a node that belongs to no cluster', () => {
  it('forms none while it meets fewer than it expects, and says how many are missing', () => {
    const node = new Node(a);
    expect(node.meets()).toEqual([]);
    expect(node.meets(b)).toEqual([]);
    expect(node.core.status()).toEqual({ state: 'forming', reason: 'waiting for 1 more of the 3 nodes that are expected' });
    expect(node.core.nextWake()).toBeUndefined();
  });

  it('never forms one by itself when it expects no number of nodes', () => {
    const node = new Node(a, { expect: undefined as never });
    expect(node.meets(b, c)).toEqual([]);
    expect(node.core.status().reason).toContain('engram cluster init');
  });

  it('proposes one at once when it has the lowest id of those that met', () => {
    expect(kinds(new Node(a).meets(b, c))).toEqual(['persist', 'prepare to b', 'prepare to c']);
  });

  it('proposes one after a while when whoever has the lowest id does not', () => {
    const node = new Node(b);
    expect(node.meets(a, c)).toEqual([]);
    expect(node.later(4_999)).toEqual([]);
    expect(kinds(node.later(5_001))).toEqual(['persist', 'prepare to a', 'prepare to c']);
  });

  it('does not count nodes that expect another number', () => {
    const node = new Node(a);
    expect(node.on({ kind: 'peers', peers: [{ id: b, expect: 3 }, { id: c, expect: 5 }] })).toEqual([]);
    expect(node.core.status().reason).toBe('waiting for 1 more of the 3 nodes that are expected; not counted, because of another bootstrap_expect: c');
  });

  it('proposes none when one of those it met belongs to a cluster', () => {
    expect(new Node(a).on({ kind: 'peers', peers: [{ id: b, expect: 3 }, { id: c, expect: 3 }, { id: parseNodeId('d'), clusterId: elsewhere }] })).toEqual([]);
  });

  it('proposes none around memories of its own, and says what to do', () => {
    const node = new Node(a, { holdsMemories: true });
    expect(node.meets(b, c)).toEqual([]);
    expect(node.core.status().reason).toContain('memories');
  });

  it('belongs to the cluster that membership learned of, once that is durable', () => {
    const node = new Node(a);
    expect(node.on({ kind: 'cluster-id-learned', clusterId: elsewhere })).toEqual([
      { kind: 'persist', record: { clusterId: elsewhere } },
      { kind: 'joined', clusterId: elsewhere, how: 'joined', founded: false },
    ]);
    expect(node.core.status()).toEqual({ state: 'joined', clusterId: elsewhere, reason: '' });
    expect(node.core.nextWake()).toBeUndefined();
  });

  it('forms one alone when it expects one node', () => {
    expect(kinds(new Node(a, { expect: 1 }).meets())).toEqual(['persist', 'persist', 'persist', 'joined']);
  });
});

describe('a proposal', () => {
  const promised = (): { node: Node; effects: FormationEffect[] } => {
    const node = new Node(a);
    node.meets(b, c);
    node.hears(b, { kind: 'promise', ballot: ballot(1, a) });
    return { node, effects: node.hears(c, { kind: 'promise', ballot: ballot(1, a) }) };
  };

  it('asks for acceptance once as many as expected have promised, itself among them', () => {
    const { effects } = promised();
    expect(kinds(effects)).toEqual(['persist', 'accept to b', 'accept to c']);
    expect(recordOf(effects)?.accepted?.ballot).toEqual(ballot(1, a));
  });

  it('is decided once as many have accepted', () => {
    const { node, effects } = promised();
    const { clusterId } = recordOf(effects)?.accepted as { clusterId: string };
    expect(node.hears(b, { kind: 'accepted', ballot: ballot(1, a) })).toEqual([]);
    expect(node.hears(b, { kind: 'accepted', ballot: ballot(1, a) })).toEqual([]);
    expect(node.hears(c, { kind: 'accepted', ballot: ballot(1, a) })).toEqual([{ kind: 'persist', record: { clusterId, drew: clusterId } }, { kind: 'joined', clusterId, how: 'bootstrapped', founded: true }]);
  });

  it('takes up the id that somebody accepted in the highest earlier ballot', () => {
    const node = new Node(a, { record: { promised: ballot(3, c), accepted: { ballot: ballot(1, b), clusterId: parseClusterId('older') } } });
    node.meets(b, c);
    node.hears(b, { kind: 'promise', ballot: ballot(4, a), accepted: { ballot: ballot(3, c), clusterId: elsewhere } });
    const effects = node.hears(c, { kind: 'promise', ballot: ballot(4, a) });
    expect(recordOf(effects)?.accepted).toEqual({ ballot: ballot(4, a), clusterId: elsewhere });
  });

  it('is repeated to those that did not answer', () => {
    const node = new Node(a);
    node.meets(b, c);
    node.hears(b, { kind: 'promise', ballot: ballot(1, a) });
    expect(kinds(node.later(500))).toEqual(['prepare to c']);
  });

  it('is made again under a higher ballot after somebody promised more', () => {
    const node = new Node(a);
    node.meets(b, c);
    expect(node.hears(b, { kind: 'refuse', ballot: ballot(1, a), promised: ballot(7, c) })).toEqual([]);
    expect(recordOf(node.later(3_000))?.promised).toEqual(ballot(8, a));
  });

  it('is dropped when its proposer promised somebody more before enough had promised it', () => {
    const node = new Node(a);
    const effects = node.meets(b, c);
    const sent = effects.find((effect) => effect.kind === 'send');
    const own = (sent?.message as { ballot: Ballot }).ballot;
    node.hears(c, { kind: 'prepare', ballot: ballot(own.round + 1, c), expect: 3 });
    node.hears(b, { kind: 'promise', ballot: own });
    expect(node.hears(c, { kind: 'promise', ballot: own })).toEqual([]);
    expect(kinds(node.hears(b, { kind: 'prepare', ballot: ballot(own.round, b), expect: 3 }))).toEqual(['refuse to b']);
  });

  it('counts no answers to another ballot', () => {
    const node = new Node(a);
    node.meets(b, c);
    for (const from of [b, c]) expect(node.hears(from, { kind: 'promise', ballot: ballot(2, a) })).toEqual([]);
    expect(node.hears(b, { kind: 'accepted', ballot: ballot(1, a) })).toEqual([]);
  });

  it('ends when too few of those that are expected are there', () => {
    const node = new Node(a);
    node.meets(b, c);
    node.meets(b);
    expect(node.core.nextWake()).toBeUndefined();
    expect(recordOf(node.meets(b, c))?.promised).toEqual(ballot(2, a));
  });

  it('that somebody declined is explained to the operator', () => {
    const node = new Node(a);
    node.meets(b, c);
    node.hears(c, { kind: 'decline', ballot: ballot(1, a), reason: 'holds-memories' });
    expect(node.core.status().reason).toContain('c holds memories');
  });

  it('is dropped for a cluster that somebody belongs to already', () => {
    const node = new Node(a);
    node.meets(b, c);
    expect(kinds(node.hears(c, { kind: 'decided', clusterId: elsewhere }))).toEqual(['persist', 'joined']);
    expect(node.core.clusterId).toBe(elsewhere);
  });
});

describe('a promise', () => {
  it('is durable before it is given, and given again when it is asked for again', () => {
    const node = new Node(b);
    const prepare = { kind: 'prepare', ballot: ballot(1, a), expect: 3 } as const;
    expect(kinds(node.hears(a, prepare))).toEqual(['persist', 'promise to a']);
    expect(kinds(node.hears(a, prepare))).toEqual(['persist', 'promise to a']);
  });

  it('keeps the node from lower ballots, and says which it gave', () => {
    const node = new Node(b, { record: { promised: ballot(2, a) } });
    const refusal = { kind: 'send', to: c, message: { kind: 'refuse', ballot: ballot(1, c), promised: ballot(2, a) } };
    expect(node.hears(c, { kind: 'prepare', ballot: ballot(1, c), expect: 3 })).toEqual([refusal]);
    expect(node.hears(c, { kind: 'accept', ballot: ballot(1, c), clusterId: elsewhere })).toEqual([refusal]);
  });

  it('tells what the node had accepted before', () => {
    const accepted = { ballot: ballot(1, a), clusterId: elsewhere };
    const node = new Node(b, { record: { promised: ballot(1, a), accepted } });
    expect(node.hears(c, { kind: 'prepare', ballot: ballot(2, c), expect: 3 }).at(-1)).toEqual({ kind: 'send', to: c, message: { kind: 'promise', ballot: ballot(2, c), accepted } });
  });

  it.each([
    [{ expect: 5 }, { kind: 'decline', ballot: ballot(1, a), reason: 'other-expectation' }],
    [{ expect: undefined as never }, { kind: 'decline', ballot: ballot(1, a), reason: 'no-expectation' }],
    [{ holdsMemories: true }, { kind: 'decline', ballot: ballot(1, a), reason: 'holds-memories' }],
    [{ record: { clusterId: elsewhere } }, { kind: 'decided', clusterId: elsewhere }],
  ] as const)('is not given by a node with %o', (options, message) => {
    expect(new Node(b, options).hears(a, { kind: 'prepare', ballot: ballot(1, a), expect: 3 })).toEqual([{ kind: 'send', to: a, message }]);
  });

  it('is not given when it cannot be written down', () => {
    const node = new Node(b);
    expect(kinds([...node.core.handle({ kind: 'message-received', from: a, message: { kind: 'prepare', ballot: ballot(1, a), expect: 3 } }, node.now)])).toEqual(['persist']);
    expect(node.core.handle({ kind: 'persist-failed', reason: 'no space left' }, node.now)).toEqual([]);
  });
});

describe('acceptance', () => {
  it('is durable, with the ballot it belongs to, before it is told', () => {
    const effects = new Node(b).hears(a, { kind: 'accept', ballot: ballot(4, a), clusterId: elsewhere });
    expect(effects).toEqual([
      { kind: 'persist', record: { promised: ballot(4, a), accepted: { ballot: ballot(4, a), clusterId: elsewhere } } },
      { kind: 'send', to: a, message: { kind: 'accepted', ballot: ballot(4, a) } },
    ]);
  });
});

describe('an operator', () => {
  it('forms a cluster with one node, once', () => {
    const node = new Node(a, { expect: undefined as never });
    expect(kinds(node.on({ kind: 'initialize', request: 1 }))).toEqual(['persist', 'joined', 'request-completed']);
    const { clusterId } = node.core;
    expect(node.on({ kind: 'initialize', request: 2 })).toEqual([{ kind: 'request-completed', request: 2, clusterId, created: false }]);
  });

  it('may form one around memories of a node that ran alone', () => {
    expect(kinds(new Node(a, { holdsMemories: true }).on({ kind: 'initialize', request: 1 }))).toContain('joined');
  });

  it('is refused while nodes agree on one, and told what to do', () => {
    const node = new Node(b);
    node.hears(a, { kind: 'prepare', ballot: ballot(1, a), expect: 3 });
    expect(node.on({ kind: 'initialize', request: 1 })).toEqual([expect.objectContaining({ kind: 'request-refused', hint: expect.stringContaining('bootstrap_expect') as string })]);
  });

  it('hears that the disk refuses the cluster id, and nothing was formed', () => {
    const node = new Node(a);
    expect(kinds([...node.core.handle({ kind: 'initialize', request: 1 }, node.now)])).toEqual(['persist']);
    expect(node.core.handle({ kind: 'persist-failed', reason: 'no space left' }, node.now)).toEqual([expect.objectContaining({ kind: 'request-refused', reason: 'the cluster id cannot be kept: no space left' })]);
    expect(node.core.status()).toEqual({ state: 'forming', reason: 'what it decides cannot be written to the data directory: no space left' });
  });
});

describe('options', () => {
  it.each([{ expect: 0 }, { expect: 2.5 }, { expect: 1_001 }, { repeatMs: 0 }, { patienceMs: 1 }])('%o are refused', (options) => {
    expect(() => new Node(a, options)).toThrow(/must/);
  });
});

/**
 * Formation in the simulated world. Membership is stood in for by a greeting that every node sends to every other each
 * 200 ms and that names what it belongs to, because what is tested here is who belongs to what, not who is alive. Every
 * packet carries a checksum, as UDP's do.
 */
import { Driver, hash64, isClusterId, parseNodeId, plusMs, utf8Encode, type ClusterId, type NodeId } from '@engram/kernel';
import { SimWorld, type SimEnv, type SimWorldOptions } from '@engram/kernel/sim';
import { decodeFormationMessage, encodeFormationMessage, FormationCore, type FormationEffect, type FormationEvent, type FormationRecord } from '../src/index.js';

const greetEveryMs = 200;
const goneAfterMs = 1_500;

export interface FormationTrial {
  readonly seed: number;
  readonly nodes: number;
  readonly expect?: number;
  readonly options?: Partial<SimWorldOptions>;
  /** A bug to plant. */
  readonly forgets?: 'promises';
}

export class FormationProcess {
  readonly driver: Driver<FormationEvent, FormationEffect>;
  readonly core: FormationCore;
  readonly answers: FormationEffect[] = [];
  readonly #heard = new Map<NodeId, { atUs: number; clusterId?: ClusterId }>();
  #clusterId: ClusterId | undefined;

  constructor(private readonly env: SimEnv, private readonly others: readonly NodeId[], trial: FormationTrial) {
    const stored = readRecord(env.storage.get('cluster'));
    this.#clusterId = stored.clusterId;
    this.core = new FormationCore(env.random.fork('formation'), {
      self: parseNodeId(env.id),
      record: trial.forgets === 'promises' && stored.clusterId === undefined ? {} : stored,
      ...(trial.expect === undefined ? {} : { expect: trial.expect }),
    });
    this.driver = new Driver(this.core, env.clock, (effect) => this.#perform(effect));
    env.datagrams.onReceive((from, bytes) => this.#received(from.replace(':7946', '') as NodeId, bytes));
    this.#greet(trial.expect);
  }

  #perform(effect: FormationEffect): void {
    switch (effect.kind) {
      case 'persist':
        // A write takes a moment, in which the process may die.
        this.env.clock.schedule(plusMs(this.env.clock.now(), 2), () => {
          this.env.storage.set('cluster', utf8Encode(JSON.stringify(effect.record)));
          this.env.storage.sync();
          this.driver.dispatch({ kind: 'persisted' });
        });
        return;
      case 'send':
        return this.#send(effect.to, encodeFormationMessage(effect.message));
      case 'joined':
        this.#clusterId = effect.clusterId;
        return this.env.trace('joined', effect.clusterId, effect.how);
      default:
        this.answers.push(effect);
    }
  }

  #send(to: NodeId, bytes: Uint8Array): void {
    const packet = new Uint8Array(8 + bytes.length);
    new DataView(packet.buffer).setBigUint64(0, hash64(bytes));
    packet.set(bytes, 8);
    this.env.datagrams.send(`${to}:7946`, packet);
  }

  #received(from: NodeId, packet: Uint8Array): void {
    const bytes = packet.slice(8);
    if (packet.length < 8 || new DataView(packet.slice().buffer).getBigUint64(0) !== hash64(bytes)) return;
    const message = decodeFormationMessage(bytes);
    if (message) return this.driver.dispatch({ kind: 'message-received', from, message });
    const [hello, clusterId] = String.fromCharCode(...bytes).split(' ');
    if (hello !== 'hello') return;
    const foreign = isClusterId(clusterId) && this.#clusterId !== undefined && clusterId !== this.#clusterId;
    if (foreign) return;
    this.#heard.set(from, { atUs: this.env.clock.now(), ...(isClusterId(clusterId) ? { clusterId } : {}) });
    if (isClusterId(clusterId) && this.#clusterId === undefined) {
      this.#clusterId = clusterId;
      this.driver.dispatch({ kind: 'cluster-id-learned', clusterId });
    }
  }

  #greet(expect: number | undefined): void {
    const greeting = utf8Encode(`hello ${this.#clusterId ?? ''}`);
    for (const id of this.others) this.#send(id, greeting);
    const now = this.env.clock.now();
    const peers = [...this.#heard].filter(([, { atUs }]) => now - atUs < goneAfterMs * 1_000);
    this.driver.dispatch({ kind: 'peers', peers: peers.map(([id, { clusterId }]) => ({ id, ...(clusterId === undefined ? {} : { clusterId }), ...(expect === undefined ? {} : { expect }) })) });
    this.env.clock.schedule(plusMs(now, greetEveryMs), () => this.#greet(expect));
  }
}

function readRecord(bytes: Uint8Array | undefined): FormationRecord {
  return bytes === undefined ? {} : (JSON.parse(String.fromCharCode(...bytes)) as FormationRecord);
}

export function formationWorld(trial: FormationTrial): SimWorld {
  const world = new SimWorld({ ...trial.options, seed: trial.seed });
  const ids = Array.from({ length: trial.nodes }, (_, i) => parseNodeId(`n${i}`));
  for (const id of ids) world.addNode(id, (env) => new FormationProcess(env, ids.filter((other) => other !== id), trial), { startAtMs: 1 + world.random('starts').below(3_000) });
  return world;
}

/** The cluster that each running node durably belongs to. */
export function belongings(world: SimWorld, nodes: number): (ClusterId | undefined)[] {
  return Array.from({ length: nodes }, (_, i) => world.node<FormationProcess>(`n${i}`).process?.core.clusterId);
}

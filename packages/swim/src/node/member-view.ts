import type { NodeId } from '@engram/kernel';
import type { Address, Member as CoreMember, MembershipView, MemberState, Metadata } from '../core/index.js';

/** How metadata travels. The core carries bytes; a codec gives them a type. */
export interface MetadataCodec<M> {
  /** Whatever it throws reaches the caller of `createSwim` or `setMetadata`. */
  encode(value: M): Uint8Array;
  /** May throw: what another node says about itself can be anything. The member's metadata is then `unreadable`. */
  decode(bytes: Uint8Array): M;
}

/** Bytes as they are. The default. */
export const bytesMetadata: MetadataCodec<Uint8Array> = { encode: (bytes) => bytes, decode: (bytes) => bytes.slice() };

/** Any value that JSON holds; `check` says whether what arrived is of the type, by throwing when it is not. */
export function jsonMetadata<M>(check: (value: unknown) => M = (value) => value as M): MetadataCodec<M> {
  return {
    encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
    decode: (bytes) => check(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))),
  };
}

/** A member as this node sees it. Immutable: every change makes a new object. */
export interface SwimMember<M = Uint8Array> {
  readonly name: NodeId;
  readonly address: Address;
  readonly state: MemberState;
  /** Grows with every start of the member's process. */
  readonly epoch: number;
  /** Grows with every refutation and every change of address or metadata within one epoch. */
  readonly incarnation: number;
  /** What it says about itself, when `metadataState` is `known`. */
  readonly metadata: M | undefined;
  /** `pending`: it is larger than what travels with the news and is still being pulled. `unreadable`: the codec refused it. */
  readonly metadataState: 'none' | 'pending' | 'known' | 'unreadable';
  readonly metadataVersion: number;
}

/** All members that this node knows of at one moment, itself included. Immutable; `version` grows with every change. */
export class SwimMembers<M = Uint8Array> implements Iterable<SwimMember<M>> {
  readonly version: number;
  /** In the order they became known. */
  readonly all: readonly SwimMember<M>[];
  #byName: ReadonlyMap<string, SwimMember<M>> | undefined;

  constructor(version: number, all: readonly SwimMember<M>[]) {
    this.version = version;
    this.all = Object.freeze(all);
  }

  /** One member by its name; undefined when it is not in the view. */
  get(name: string): SwimMember<M> | undefined {
    this.#byName ??= new Map(this.all.map((member) => [member.name, member]));
    return this.#byName.get(name);
  }

  /** In one state. */
  in(state: MemberState): readonly SwimMember<M>[] {
    return this.all.filter((member) => member.state === state);
  }

  /** Alive and suspect: those to work with. A suspect has not answered lately and may be gone. */
  get reachable(): readonly SwimMember<M>[] {
    return this.all.filter(({ state }) => state === 'alive' || state === 'suspect');
  }

  /** All members, as in `all`. */
  [Symbol.iterator](): Iterator<SwimMember<M>> {
    return this.all[Symbol.iterator]();
  }
}

type ReadMetadata<M> = Pick<SwimMember<M>, 'metadata' | 'metadataState'>;

/** Turns what the core holds into what users see: each view, member and piece of metadata once. */
export class MemberViews<M> {
  readonly #codec: MetadataCodec<M>;
  readonly #views = new WeakMap<MembershipView, SwimMembers<M>>();
  readonly #members = new WeakMap<CoreMember, SwimMember<M>>();
  readonly #metadata = new WeakMap<Metadata, ReadMetadata<M>>();

  constructor(codec: MetadataCodec<M>) {
    this.#codec = codec;
  }

  view(view: MembershipView): SwimMembers<M> {
    return remember(this.#views, view, () => new SwimMembers(view.version, view.members.map((member) => this.member(member))));
  }

  member(member: CoreMember): SwimMember<M> {
    return remember(this.#members, member, () => {
      const { id, address, state, epoch, incarnation, metadata } = member;
      return Object.freeze({ name: id, address, state, epoch, incarnation, ...this.#read(metadata), metadataVersion: metadata.version });
    });
  }

  #read(metadata: Metadata): ReadMetadata<M> {
    return remember(this.#metadata, metadata, () => {
      if (metadata.bytesLength === 0) return { metadata: undefined, metadataState: 'none' };
      if (!metadata.bytes) return { metadata: undefined, metadataState: 'pending' };
      try {
        return { metadata: this.#codec.decode(metadata.bytes), metadataState: 'known' };
      } catch {
        return { metadata: undefined, metadataState: 'unreadable' };
      }
    });
  }
}

function remember<K extends object, V>(map: WeakMap<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

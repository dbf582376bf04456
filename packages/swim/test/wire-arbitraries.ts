import fc from 'fast-check';
import { parseNodeId } from '@engram/kernel';
import { epochMax, incarnationMax, type Address, type Claim, type ClaimedMetadata, type Identity, type MemberState, type WireMessage } from '../src/core/index.js';

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
export const nodeIds = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/).filter((text) => text.length <= 64).map(parseNodeId);
const epochs = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: epochMax }));
const incarnations = fc.integer({ min: 0, max: incarnationMax });
const addresses = fc.stringMatching(/^[\x21-\x7e]{1,255}$/).filter((text) => text.length <= 255) as unknown as fc.Arbitrary<Address>;
const bytes = fc.uint8Array({ maxLength: 200 });
const states = fc.constantFrom<MemberState>('alive', 'suspect', 'dead', 'left');
export const identities: fc.Arbitrary<Identity> = fc.record({ id: nodeIds, epoch: epochs, incarnation: incarnations });

const metadata: fc.Arbitrary<ClaimedMetadata | undefined> = fc.option(
  fc.oneof(
    fc.record({ version: fc.integer({ min: 1, max: 2 ** 32 - 1 }), bytes }).map(({ version, bytes }) => ({ version, bytesLength: bytes.length, bytes, hash: undefined })),
    fc.record({ version: fc.integer({ min: 1, max: 2 ** 32 - 1 }), bytesLength: fc.integer({ min: 0, max: 16_384 }), hash: fc.uint8Array({ minLength: 8, maxLength: 8 }) }).map((hashed) => ({ ...hashed, bytes: undefined })),
  ),
  { nil: undefined },
);

export const claims: fc.Arbitrary<Claim> = fc
  .record({ id: nodeIds, epoch: epochs, incarnation: incarnations, address: addresses, state: states, by: nodeIds, ageS: fc.integer({ min: 0, max: 10 ** 9 }), metadata })
  .map(({ id, epoch, incarnation, address, state, by, ageS, metadata }) => ({
    kind: 'claim', id, epoch, incarnation, address, state,
    by: state === 'suspect' || state === 'dead' ? by : undefined,
    ageS: state === 'dead' || state === 'left' ? ageS : 0,
    metadata: state === 'alive' ? metadata : undefined,
  }));

const questions: fc.Arbitrary<WireMessage> = fc.oneof(
  fc.record({ kind: fc.constant('ping' as const), seq: uint32, target: nodeIds, view: uint32 }),
  fc.record({ kind: fc.constant('ping-req' as const), seq: uint32, relay: nodeIds, target: nodeIds }),
);
const remarks: fc.Arbitrary<WireMessage> = fc.oneof(
  claims,
  fc.record({ kind: fc.constant('ack' as const), seq: uint32, stranger: fc.boolean() }),
  fc.record({ kind: fc.constant('nack' as const), seq: uint32 }),
  fc.record({ kind: fc.constant('broadcast' as const), origin: nodeIds, high: uint32, low: uint32, topic: fc.stringMatching(/^[a-z/é]{1,30}$/), bytes }),
  fc.record({ kind: fc.constant('message' as const), target: nodeIds, epoch: epochs, bytes }),
  fc.record({ kind: fc.constant('cluster-id' as const), clusterId: nodeIds }),
);
export const datagramMessages = fc.tuple(fc.option(questions, { nil: undefined }), fc.array(remarks, { maxLength: 6 })).map(([question, rest]) => (question ? [question, ...rest] : rest));

const digestEntries = fc.record({ id: nodeIds, epoch: epochs, incarnation: incarnations, state: states, metadataVersion: uint32 });
export const frameMessages: fc.Arbitrary<WireMessage[]> = fc.array(
  fc.oneof(
    claims,
    fc.constant<WireMessage>({ kind: 'received' }),
    fc.constant<WireMessage>({ kind: 'sync-done' }),
    fc.record({ kind: fc.constant('sync-buckets' as const), fingerprints: fc.array(uint32, { minLength: 64, maxLength: 64 }) }),
    fc.record({ kind: fc.constant('sync-digest' as const), buckets: fc.uniqueArray(fc.integer({ min: 0, max: 63 })), entries: fc.array(digestEntries, { maxLength: 8 }), more: fc.boolean() }),
    fc.record({ kind: fc.constant('sync-wants' as const), ids: fc.array(nodeIds, { maxLength: 8 }) }),
    fc.record({ kind: fc.constant('metadata-pull' as const), epoch: epochs, version: uint32 }),
    fc.record({ kind: fc.constant('metadata' as const), epoch: epochs, version: uint32, bytes }),
  ),
  { maxLength: 4 },
);

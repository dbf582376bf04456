import { isClusterId, isNodeId, type NodeId } from '@engram/kernel';
import { addressesMax, addressLengthMax, copiesOf, factorMax, labelLengthMax, mapProblem, partitionsMax, removedMax, rosterMax, type ClusterPolicies, type MapContent, type NodeState, type PartitionPlacement, type PlacementStrategy, type RemovedNode, type RosterNode } from './cluster-map.js';
import { isCount, isText, packPlain, unpackPlain, type PlainItem } from './plain-msgpack.js';
import type { ValueCodec } from './register-codec.js';

/**
 * A map as bytes: a msgpack array of a version, the cluster, its policies, its roster, who was removed from it, and the table as one run of bytes.
 * In the table a node is its place in the roster and numbers take seven bits a byte, so a partition of three copies
 * takes five bytes or six.
 */
export const clusterMapCodec: ValueCodec<MapContent> = Object.freeze({ encode: encodeMap, decode: decodeMap });

/** Whoever changes the bytes raises it. */
const mapVersion = 2;
const acks: readonly ClusterPolicies['ack'][] = ['local', 'replica', 'quorum', 'all'];
const partitionPolicies: readonly ClusterPolicies['partition'][] = ['majority', 'available'];
const strategies: readonly PlacementStrategy[] = ['random', 'rack_aware', 'zone_aware'];
const states: readonly NodeState[] = ['active', 'draining', 'decommissioning'];
const depthMax = 5;
/** Above the number of copies, in the byte that begins a partition. */
const flags = { deposed: 0x08, provisional: 0x10, moving: 0x20, movingFrom: 0x40 } as const;

function encodeMap({ clusterId, policies, roster, removed = [], movesPaused, table }: MapContent): Uint8Array {
  const nodes = [...roster];
  const index = new Map(nodes.map(({ id }, at) => [id, at]));
  // A node that was deposed and then removed is still named, behind those of the roster.
  const strangers: NodeId[] = [];
  const indexOf = (id: NodeId): number => {
    const known = index.get(id);
    if (known !== undefined) return known;
    index.set(id, roster.length + strangers.length);
    strangers.push(id);
    return roster.length + strangers.length - 1;
  };
  const bytes: number[] = [];
  for (const placement of table) writePlacement(bytes, placement, indexOf);
  const policyItems = [policies.factor, acks.indexOf(policies.ack), partitionPolicies.indexOf(policies.partition), movesPaused ? 1 : 0, policies.strategy === undefined ? 0 : 1 + strategies.indexOf(policies.strategy)];
  return packPlain([mapVersion, clusterId, policyItems, roster.map(nodeItems), removed.map(({ id, storageId }) => [id, storageId]), strangers, table.length, Uint8Array.from(bytes)]);
}

/** Undefined for whatever is no map that holds together. */
function decodeMap(bytes: Uint8Array): MapContent | undefined {
  const content = readMap(bytes);
  return content !== undefined && mapProblem(content) === undefined ? content : undefined;
}

/** Why bytes are no map that holds together, as a sentence for people; undefined when they are one. */
export function mapBytesProblem(bytes: Uint8Array): string | undefined {
  const content = readMap(bytes);
  if (content !== undefined) return mapProblem(content);
  const version = unpackPlain(bytes, depthMax)?.[0];
  return isCount(version) && version !== mapVersion ? `the map is in version ${version}, and this node reads version ${mapVersion}` : 'the map cannot be read';
}

/** As it is written there, whether it holds together or not. */
function readMap(bytes: Uint8Array): MapContent | undefined {
  const items = unpackPlain(bytes, depthMax);
  if (items === undefined || items.length !== 8 || items[0] !== mapVersion) return undefined;
  const [, clusterId, policyItems, rosterItems, removedItems, strangers, partitions, tableBytes] = items;
  if (!isClusterId(clusterId) || !Array.isArray(rosterItems) || rosterItems.length > rosterMax || !Array.isArray(strangers) || !strangers.every(isNodeId)) return undefined;
  if (!isCount(partitions, 1, partitionsMax) || !(tableBytes instanceof Uint8Array)) return undefined;
  const policies = policiesOf(policyItems);
  const roster = (rosterItems as unknown[]).map(nodeOf);
  const removed = removedOf(removedItems);
  if (policies === undefined || removed === undefined || !roster.every((node) => node !== undefined)) return undefined;
  const table = readTable(tableBytes, partitions, [...roster.map(({ id }) => id), ...(strangers as NodeId[])]);
  const movesPaused = (policyItems as unknown[])[3] === 1;
  return table && { clusterId, policies, roster, ...(removed.length > 0 && { removed }), ...(movesPaused && { movesPaused }), table };
}

function nodeItems({ id, storageId, addresses, zone, rack, capacity, state }: RosterNode): PlainItem {
  return [id, storageId, Object.entries(addresses), zone, rack, capacity, states.indexOf(state)];
}

function nodeOf(item: unknown): RosterNode | undefined {
  if (!Array.isArray(item) || item.length !== 7) return undefined;
  const [id, storageId, entries, zone, rack, capacity, stateIndex] = item as unknown[];
  const state = isCount(stateIndex) ? states[stateIndex] : undefined;
  if (!isNodeId(id) || !isText(storageId, labelLengthMax, 1) || !isText(zone, labelLengthMax) || !isText(rack, labelLengthMax)) return undefined;
  if (typeof capacity !== 'number' || state === undefined || !Array.isArray(entries) || entries.length > addressesMax) return undefined;
  const isEntry = (entry: unknown): entry is [string, string] => Array.isArray(entry) && entry.length === 2 && isText(entry[0], labelLengthMax) && isText(entry[1], addressLengthMax);
  return entries.every(isEntry) ? { id, storageId, addresses: Object.fromEntries(entries), zone, rack, capacity, state } : undefined;
}

function removedOf(items: unknown): RemovedNode[] | undefined {
  if (!Array.isArray(items) || items.length > removedMax) return undefined;
  const removed = (items as unknown[]).map((item) => (Array.isArray(item) && item.length === 2 ? { id: item[0] as unknown, storageId: item[1] as unknown } : undefined));
  const isNode = (node: (typeof removed)[number]): node is RemovedNode => isNodeId(node?.id) && isText(node?.storageId, labelLengthMax, 1);
  return removed.every(isNode) ? removed : undefined;
}

function policiesOf(item: unknown): ClusterPolicies | undefined {
  if (!Array.isArray(item) || item.length !== 5) return undefined;
  const [factor, ackIndex, partitionIndex, paused, strategyIndex] = item as unknown[];
  if (!isCount(factor, 0, factorMax) || !isCount(ackIndex) || !isCount(partitionIndex) || !isCount(paused, 0, 1) || !isCount(strategyIndex, 0, strategies.length)) return undefined;
  const [ack, partition] = [acks[ackIndex], partitionPolicies[partitionIndex]];
  const strategy = strategies[strategyIndex - 1];
  return ack === undefined || partition === undefined ? undefined : { factor, ack, partition, ...(strategy && { strategy }) };
}

function writePlacement(bytes: number[], placement: PartitionPlacement, indexOf: (id: NodeId) => number): void {
  const { epoch, deposed, provisional, moving } = placement;
  const copies = copiesOf(placement);
  bytes.push(copies.length | (deposed ? flags.deposed : 0) | (provisional ? flags.provisional : 0) | (moving ? flags.moving : 0) | (moving?.from ? flags.movingFrom : 0));
  writeNumber(bytes, epoch);
  for (const id of copies) writeNumber(bytes, indexOf(id));
  if (deposed) {
    writeNumber(bytes, deposed.since);
    writeNumber(bytes, deposed.nodes.length);
    for (const id of deposed.nodes) writeNumber(bytes, indexOf(id));
  }
  if (moving) writeNumber(bytes, indexOf(moving.to));
  if (moving?.from) writeNumber(bytes, indexOf(moving.from));
}

function readTable(bytes: Uint8Array, partitions: number, ids: readonly NodeId[]): PartitionPlacement[] | undefined {
  const reader = { bytes, at: 0 };
  const node = (): NodeId | undefined => ids[readNumber(reader)];
  const table: PartitionPlacement[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const head = bytes[reader.at++] ?? 0;
    const epoch = readNumber(reader);
    const copies = Array.from({ length: head & 0x07 }, node);
    const deposed = head & flags.deposed ? { since: readNumber(reader), nodes: Array.from({ length: Math.min(rosterMax, readNumber(reader) || 0) }, node) } : undefined;
    const to = head & flags.moving ? node() : undefined;
    const from = head & flags.movingFrom ? node() : undefined;
    const [primary, ...replicas] = copies;
    if (primary === undefined || !replicas.every((id) => id !== undefined)) return undefined;
    if ((deposed && !(deposed.since >= 1 && deposed.nodes.every((id) => id !== undefined))) || (head & flags.moving && to === undefined) || (head & flags.movingFrom && from === undefined)) return undefined;
    table.push({
      epoch, primary, replicas,
      ...(deposed && { deposed: deposed as { nodes: NodeId[]; since: number } }),
      ...(head & flags.provisional && { provisional: true as const }),
      ...(to && { moving: { from, to } }),
    });
  }
  return reader.at === bytes.length ? table : undefined;
}

function writeNumber(bytes: number[], value: number): void {
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return void bytes.push(rest);
    bytes.push((rest % 128) | 0x80);
  }
}

/** NaN for what does not end within five bytes or within the table; it then names no node and no epoch. */
function readNumber(reader: { readonly bytes: Uint8Array; at: number }): number {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = reader.bytes[reader.at++];
    if (byte === undefined) return NaN;
    value += (byte & 0x7f) * 128 ** i;
    if (byte < 128) return value;
  }
  return NaN;
}

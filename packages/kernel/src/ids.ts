import { EngramError } from './errors.js';
import { shown } from './shown.js';

declare const idBrand: unique symbol;
type Id<Kind extends string> = string & { readonly [idBrand]: Kind };

/** One server of a cluster. 1 to 64 of `A-Z a-z 0-9 . _ -`, not starting with a dot. */
export type NodeId = Id<'node'>;
/** One cluster. The same rule as a node id. */
export type ClusterId = Id<'cluster'>;
/** A space of memories: what is placed, replicated and recalled as one. 3 to 64 of `a-z 0-9 _ -`. */
export type SpaceId = Id<'space'>;
/** One memory within its space. 1 to 128 of `A-Z a-z 0-9 . _ : -`, not starting with a dot. */
export type MemoryId = Id<'memory'>;

interface IdRule {
  readonly name: string;
  readonly rule: string;
  readonly lengthMax: number;
  readonly pattern: RegExp;
}

// No rule allows a slash, a leading dot or a NUL, so an id can stand in a path or a file name as it is.
const nodeName = {
  rule: '1 to 64 characters of A-Z a-z 0-9 . _ - and does not start with a dot',
  lengthMax: 64,
  pattern: /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/,
};
const nodeRule: IdRule = { name: 'node id', ...nodeName };
const clusterRule: IdRule = { name: 'cluster id', ...nodeName };
const spaceRule: IdRule = { name: 'space id', rule: '3 to 64 characters of a-z 0-9 _ -', lengthMax: 64, pattern: /^[a-z0-9_-]{3,}$/ };
const memoryRule: IdRule = {
  name: 'memory id',
  rule: '1 to 128 characters of A-Z a-z 0-9 . _ : - and does not start with a dot',
  lengthMax: 128,
  pattern: /^[A-Za-z0-9_:-][A-Za-z0-9._:-]*$/,
};

/** Whether it is a string that follows the rule of node ids. */
export const isNodeId = (value: unknown): value is NodeId => obeys(nodeRule, value);
/** Whether it is a string that follows the rule of cluster ids. */
export const isClusterId = (value: unknown): value is ClusterId => obeys(clusterRule, value);
/** Whether it is a string that follows the rule of space ids. */
export const isSpaceId = (value: unknown): value is SpaceId => obeys(spaceRule, value);
/** Whether it is a string that follows the rule of memory ids. */
export const isMemoryId = (value: unknown): value is MemoryId => obeys(memoryRule, value);

/** Returns its argument, branded. @throws EngramError `invalid_argument` naming the rule and the value, shortened */
export const parseNodeId = (text: string): NodeId => (isNodeId(text) ? text : refuse(nodeRule, text));
/** As `parseNodeId`, by the rule of cluster ids. */
export const parseClusterId = (text: string): ClusterId => (isClusterId(text) ? text : refuse(clusterRule, text));
/** As `parseNodeId`, by the rule of space ids. */
export const parseSpaceId = (text: string): SpaceId => (isSpaceId(text) ? text : refuse(spaceRule, text));
/** As `parseNodeId`, by the rule of memory ids. */
export const parseMemoryId = (text: string): MemoryId => (isMemoryId(text) ? text : refuse(memoryRule, text));

/** The length comes first, so a hostile value costs nothing to refuse. */
function obeys(rule: IdRule, value: unknown): boolean {
  return typeof value === 'string' && value.length <= rule.lengthMax && rule.pattern.test(value);
}

function refuse(rule: IdRule, value: unknown): never {
  throw new EngramError('invalid_argument', `a ${rule.name} has ${rule.rule}; got ${shown(value)}`, {
    hint: `Use a ${rule.name} of ${rule.rule.replace(' and does not', ' that does not')}.`,
  });
}

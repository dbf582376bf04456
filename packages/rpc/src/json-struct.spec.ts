import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { expect, test } from 'vitest';
import { jsonDepthMax, Struct, type JsonObject } from './json-struct.js';

const roundTrip = (object: JsonObject): JsonObject => Struct.decode(Struct.encode(object).finish());

test('a key named __proto__ stays a key and sets no prototype', () => {
  const decoded = roundTrip(JSON.parse('{"__proto__": {"admin": true}, "a": 1}') as JsonObject);

  expect(Object.keys(decoded)).toEqual(['__proto__', 'a']);
  expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
  expect((decoded as { admin?: boolean }).admin).toBeUndefined();
});

test('bytes nested a hundred thousand deep are refused without exhausting the stack', () => {
  expect(() => Struct.decode(nestedStruct(100_000))).toThrow(`at most ${jsonDepthMax} deep`);
});

test('an object that contains itself is refused', () => {
  const endless: Record<string, unknown> = {};
  endless['self'] = endless;

  expect(() => Struct.encode(endless as JsonObject)).toThrow(`at most ${jsonDepthMax} deep`);
});

test('what JSON cannot say is refused', () => {
  expect(() => Struct.encode({ when: 1n } as unknown as JsonObject)).toThrow('JSON has no bigint');
});

test('an absent property is left out, as JSON leaves it out', () => {
  expect(roundTrip({ a: undefined, b: null } as unknown as JsonObject)).toEqual({ b: null });
});

test('fields of a later version are skipped', () => {
  const later = new BinaryWriter().uint32(16).int32(7).uint32(26).string('new').finish();
  const known = Struct.encode({ a: 1 }).finish();

  expect(Struct.decode(Buffer.concat([later, known, later]))).toEqual({ a: 1 });
});

test('bytes that end within a field are refused', () => {
  const bytes = Struct.encode({ key: 'value' }).finish();

  expect(() => Struct.decode(bytes.subarray(0, -1))).toThrow();
});

/** Lists within lists, written from the inside out as `Value { list_value: ListValue { values: … } }`. */
function nestedStruct(depth: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const wrap = (tag: number): void => {
    const head = new BinaryWriter().uint32(tag).uint32(length).finish();
    pieces.push(head);
    length += head.length;
  };
  for (let i = 0; i < depth; i++) {
    wrap(10);
    wrap(50);
  }
  wrap(18);
  wrap(10);
  return Buffer.concat(pieces.reverse());
}

import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

/** What JSON can say. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/**
 * How deep a `google.protobuf.Struct` may nest, either way. It bounds the recursion below, and it is well above the
 * depth a memory may have, so that a memory that is too deep is refused by the rule for memories.
 */
export const jsonDepthMax = 64;

/**
 * The codec of `google.protobuf.Struct`, straight to and from plain JSON values.
 *
 * The generated code imports this one in place of its own: a generated decoder assigns what it reads to a plain
 * object, so that a key named `__proto__` sets the prototype and is lost. Here it stays a key like any other, for the
 * rules of a memory to refuse.
 */
export const Struct = {
  /** @throws Error when the object nests too deeply (or contains itself) or holds what JSON cannot say. */
  encode(object: JsonObject, writer: BinaryWriter = new BinaryWriter()): BinaryWriter {
    return writeObject(object, writer, 1);
  },

  /** @throws Error when the bytes are not a Struct or nest too deeply. */
  decode(input: BinaryReader | Uint8Array, length?: number): JsonObject {
    const reader = input instanceof BinaryReader ? input : new BinaryReader(input);
    return readObject(reader, length === undefined ? reader.len : reader.pos + length, 1);
  },

  /** The generated code wraps before it encodes; here both forms are the plain object. */
  wrap: (object: JsonObject): JsonObject => object,
  unwrap: (object: JsonObject): JsonObject => object,
};

/** Wire tags, `field number << 3 | wire type`, of Struct, its entries, Value and ListValue. */
const tags = {
  fieldsEntry: 10,
  entryKey: 10,
  entryValue: 18,
  nullValue: 8,
  numberValue: 17,
  stringValue: 26,
  boolValue: 32,
  structValue: 42,
  listValue: 50,
  listValues: 10,
} as const;

function writeObject(object: JsonObject, writer: BinaryWriter, depth: number): BinaryWriter {
  checkDepth(depth);
  for (const [key, value] of Object.entries(object)) {
    if (value === undefined) continue;
    writer.uint32(tags.fieldsEntry).fork();
    writer.uint32(tags.entryKey).string(key);
    writer.uint32(tags.entryValue).fork();
    writeValue(value, writer, depth);
    writer.join().join();
  }
  return writer;
}

function writeValue(value: JsonValue, writer: BinaryWriter, depth: number): void {
  if (value === null) writer.uint32(tags.nullValue).int32(0);
  else if (typeof value === 'number') writer.uint32(tags.numberValue).double(value);
  else if (typeof value === 'string') writer.uint32(tags.stringValue).string(value);
  else if (typeof value === 'boolean') writer.uint32(tags.boolValue).bool(value);
  else if (isArray(value)) writeList(value, writer.uint32(tags.listValue).fork(), depth + 1).join();
  else if (typeof value === 'object') writeObject(value, writer.uint32(tags.structValue).fork(), depth + 1).join();
  else throw new Error(`JSON has no ${typeof value}`);
}

function writeList(list: readonly JsonValue[], writer: BinaryWriter, depth: number): BinaryWriter {
  checkDepth(depth);
  for (const value of list) {
    writer.uint32(tags.listValues).fork();
    writeValue(value, writer, depth);
    writer.join();
  }
  return writer;
}

function readObject(reader: BinaryReader, end: number, depth: number): JsonObject {
  checkDepth(depth);
  const object: Record<string, JsonValue> = {};
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === tags.fieldsEntry) readEntry(reader, endOfNext(reader), depth, object);
    else reader.skip(tag & 7);
  }
  return object;
}

function readEntry(reader: BinaryReader, end: number, depth: number, into: Record<string, JsonValue>): void {
  let key = '';
  let value: JsonValue = null;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === tags.entryKey) key = reader.string();
    else if (tag === tags.entryValue) value = readValue(reader, endOfNext(reader), depth);
    else reader.skip(tag & 7);
  }
  Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true });
}

function readValue(reader: BinaryReader, end: number, depth: number): JsonValue {
  let value: JsonValue = null;
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case tags.nullValue:
        reader.int32();
        value = null;
        break;
      case tags.numberValue:
        value = reader.double();
        break;
      case tags.stringValue:
        value = reader.string();
        break;
      case tags.boolValue:
        value = reader.bool();
        break;
      case tags.structValue:
        value = readObject(reader, endOfNext(reader), depth + 1);
        break;
      case tags.listValue:
        value = readList(reader, endOfNext(reader), depth + 1);
        break;
      default:
        reader.skip(tag & 7);
    }
  }
  return value;
}

function readList(reader: BinaryReader, end: number, depth: number): readonly JsonValue[] {
  checkDepth(depth);
  const list: JsonValue[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === tags.listValues) list.push(readValue(reader, endOfNext(reader), depth));
    else reader.skip(tag & 7);
  }
  return list;
}

/** Where the length-delimited field that begins here ends. */
function endOfNext(reader: BinaryReader): number {
  const length = reader.uint32();
  return reader.pos + length;
}

function checkDepth(depth: number): void {
  if (depth > jsonDepthMax) throw new Error(`JSON may nest at most ${jsonDepthMax} deep here`);
}

/** `Array.isArray` does not narrow readonly arrays away in its negative branch. */
function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

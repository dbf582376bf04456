import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { isWellFormed } from '@engram/kernel';

/**
 * Refuses a string that is not valid UTF-8. The reader of the library would put U+FFFD in its place, and what is
 * remembered would then differ from what was sent without anybody being told.
 */
export class StrictReader extends BinaryReader {
  override string(): string {
    return super.string(true);
  }
}

/** Refuses a string with a lone surrogate, for the reason {@link StrictReader} gives. */
export class StrictWriter extends BinaryWriter {
  override string(value: string): this {
    if (!isWellFormed(value)) throw new Error('a text holds half of a surrogate pair, which UTF-8 cannot express');
    return super.string(value);
  }
}

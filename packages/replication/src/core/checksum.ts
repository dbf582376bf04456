/**
 * CRC-32 (ISO-HDLC, as in zlib) of `bytes`, continued from `seed`. Injected, because a core may not import the native one:
 * `crc32` of `node:zlib` has this very signature.
 */
export type Checksum = (bytes: Uint8Array, seed: number) => number;

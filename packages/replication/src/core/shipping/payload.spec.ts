import { EngramError } from '@engram/kernel';
import { expect, test } from 'vitest';
import { epochOpenPayload, isControl, readPayload, takenUpPayload } from './payload.js';

test('entries of the protocol keep their golden bytes, which no operation begins like', () => {
  expect([...epochOpenPayload]).toEqual([0xc1, 1, 0]);
  expect([...takenUpPayload({ epoch: 2, seq: 300 }, Uint8Array.of(9))]).toEqual([0xc1, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0x2c, 1, 0, 0, 0, 0, 0, 0, 9]);
  expect([isControl(epochOpenPayload), isControl(Uint8Array.of(0x92, 1, 0)), isControl(new Uint8Array(0))]).toEqual([true, false, false]);
});

test('what was taken up gives back what it was and what it says', () => {
  const original = { epoch: Number.MAX_SAFE_INTEGER, seq: 2 ** 40 };
  expect(readPayload(takenUpPayload(original, Uint8Array.of(1, 2)))).toEqual({ kind: 'taken-up', original, operation: Uint8Array.of(1, 2) });
  expect(readPayload(epochOpenPayload)).toEqual({ kind: 'epoch-open' });
  expect(readPayload(Uint8Array.of(0x92, 1))).toEqual({ kind: 'operation', operation: Uint8Array.of(0x92, 1) });
});

test.each([[[0xc1]], [[0xc1, 2, 0]], [[0xc1, 1, 7]], [[0xc1, 1, 0, 0]], [[0xc1, 1, 1, 0]]])('a payload of a newer release, %j, is refused by name', (bytes) => {
  expect(() => readPayload(Uint8Array.from(bytes))).toThrow(EngramError);
});

import { expect, test } from 'vitest';
import { addProbe, of } from '../../test/sim-probe.js';
import { utf8Encode } from '../index.js';
import { SimWorld, type TranscriptOptions } from './index.js';

function transcriptOf(transcript?: TranscriptOptions): { lines: string[]; forgotten: number } {
  const world = new SimWorld({ seed: 1, link: { delay: 1 }, ...(transcript === undefined ? {} : { transcript }) });
  const [a, b10] = [addProbe(world, 'a'), addProbe(world, 'b10')];
  world.at(10, () => of(a).send(b10.address, 'hello'));
  world.at(12, () => of(b10).env.trace('heard', 5));
  world.at(13, () => of(b10).env.storage.set('epoch', utf8Encode('1')));
  world.at(14, () => b10.kill());
  world.at(15, () => of(a).send(b10.address, 'there?'));
  world.run({ untilMs: 100 });
  return { lines: world.transcript.lines(), forgotten: world.transcript.forgotten };
}

test('a transcript reads as time, node, what', () => {
  expect(transcriptOf({}).lines).toEqual([
    '    0.000000 s  a    boots, life 1',
    '    0.000000 s  b10  boots, life 1',
    '    0.011000 s  b10  got 5 bytes from a:7946',
    '    0.012000 s  b10  heard 5',
    '    0.013000 s  b10  storage set epoch',
    '    0.014000 s  b10  is killed',
    '    0.016000 s  b10  lost 6 bytes to b10:7946: dead',
  ]);
});

test('is off unless asked for', () => {
  expect(transcriptOf().lines).toEqual([]);
});

test('keeps the kinds and the nodes asked for', () => {
  expect(transcriptOf({ kinds: ['fault', 'trace'] }).lines.map((line) => line.slice(21))).toEqual(['heard 5', 'is killed']);
  expect(transcriptOf({ nodes: ['a'] }).lines).toEqual(['    0.000000 s  a  boots, life 1']);
});

test('keeps the last lines and counts the others', () => {
  const { lines, forgotten } = transcriptOf({ linesMax: 2 });
  expect(lines.map((line) => line.slice(21))).toEqual(['is killed', 'lost 6 bytes to b10:7946: dead']);
  expect(forgotten).toBe(5);
  expect(() => transcriptOf({ linesMax: 0 })).toThrow(/option linesMax/);
});

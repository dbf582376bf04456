import { InvalidArgumentError } from 'commander';
import { swimPresets, type SwimPreset } from '@engram/swim/core';

export interface SeedRange {
  readonly from: number;
  readonly to: number;
}

const seedsMax = 1_000_000;

export function parseSeed(text: string): string {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('A seed is a whole number from 0 on.');
  return String(Number(text));
}

/** `7` or `1..200`. */
export function parseSeeds(text: string): SeedRange {
  const match = /^(\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(text);
  if (!match) throw new InvalidArgumentError('Seeds are one number, or a range such as 1..200.');
  const from = Number(match[1]);
  const to = match[2] === undefined ? from : Number(match[2]);
  if (to < from) throw new InvalidArgumentError('The range ends before it begins.');
  if (to - from >= seedsMax) throw new InvalidArgumentError(`A range has at most ${seedsMax} seeds.`);
  return { from, to };
}

export function parseCount(most: number): (text: string) => number {
  return (text) => {
    const count = Number(text);
    if (!/^\d+$/.test(text) || count < 1 || count > most) throw new InvalidArgumentError(`It is a whole number from 1 to ${most}.`);
    return count;
  };
}

export function parseNames(text: string): readonly string[] {
  return text.split(',').map((name) => name.trim()).filter((name) => name !== '');
}

/** Minutes of wall time; 0 starts nothing. */
export function parseMinutes(text: string): number {
  if (!/^\d{1,5}(?:\.\d{1,3})?$/.test(text)) throw new InvalidArgumentError('Minutes are a number from 0 on.');
  return Number(text);
}

export function parseShare(text: string): number {
  const share = Number(text);
  if (!/^\d?\.?\d{1,6}$/.test(text) || share > 1) throw new InvalidArgumentError('A share is a number from 0 to 1.');
  return share;
}

export function parsePreset(text: string): SwimPreset {
  if (!Object.hasOwn(swimPresets, text)) throw new InvalidArgumentError(`Presets are ${Object.keys(swimPresets).join(', ')}.`);
  return text as SwimPreset;
}

import { expect, test } from 'vitest';
import { sumOfSamples } from './samples.js';

const exposition = `# HELP lag_seconds How long.
# TYPE lag_seconds histogram
lag_seconds_bucket{peer="b",le="1"} 3
lag_seconds_bucket{peer="c",le="1"} 4
lag_seconds_bucket{peer="c",le="10"} 5
lag_seconds_count{peer="b"} 3
lag_seconds_count{peer="c"} 5
alive 2
alive_total 9
`;

test('the samples of a metric are added up, all of them or those with a label', () => {
  expect(sumOfSamples(exposition, 'alive')).toBe(2);
  expect(sumOfSamples(exposition, 'lag_seconds_count')).toBe(8);
  expect(sumOfSamples(exposition, 'lag_seconds_bucket', 'le="1"')).toBe(7);
});

test('a metric that is not there adds up to nothing', () => {
  expect(sumOfSamples(exposition, 'lag_seconds')).toBe(0);
});

import { expect, test } from 'vitest';
import { fakeCli } from './fake-cli.js';
import { Progress } from './progress.js';

test('without a terminal a line every five seconds says that it goes on', () => {
  const cli = fakeCli();
  const progress = new Progress(cli, { label: 'importing', total: 200, format: String });
  for (const amount of [10, 20, 50, 60, 100]) {
    cli.advance(2_500);
    progress.update(amount, `${amount} stored`);
  }
  progress.stop();
  expect(cli.printed).toEqual({ out: '', err: 'importing: 20 of 200 (10 %), 20 stored\nimporting: 60 of 200 (30 %), 60 stored\n' });
});

test('of an unknown total the amount alone is said', () => {
  const cli = fakeCli();
  const progress = new Progress(cli, { label: 'importing', format: (bytes) => `${bytes} B` });
  cli.advance(5_000);
  progress.update(10, '1 stored');
  expect(cli.printed.err).toBe('importing: 10 B, 1 stored\n');
});

test('a short job says nothing at all', () => {
  const cli = fakeCli();
  const progress = new Progress(cli, { label: 'importing', total: 10, format: String });
  cli.advance(4_999);
  progress.update(10, 'done');
  progress.stop();
  expect(cli.printed.err).toBe('');
});

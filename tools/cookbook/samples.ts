/**
 * The sum of the samples of a metric in what `/metrics` answers.
 *
 * @param label Only samples with this label, written as there: `le="1"`.
 */
export function sumOfSamples(exposition: string, name: string, label?: string): number {
  let sum = 0;
  for (const line of exposition.split('\n')) {
    const [, series, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (series === name && (label === undefined || labels.split(',').includes(label))) sum += Number(value);
  }
  return sum;
}

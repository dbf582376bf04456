/** How long a column of a space is before it has grown. */
export const rowsAtFirst = 8;

/**
 * Typed arrays that grow by doubling. Columns of numbers cost their bytes and nothing more; an object per row would
 * cost many times that and give the garbage collector something to walk. They begin with a few rows, since most spaces are small.
 */
export function grown<A extends Uint8Array | Uint32Array | Int32Array | Float64Array>(array: A, lengthNeeded: number): A {
  if (lengthNeeded <= array.length) return array;
  const bigger = new (array.constructor as new (length: number) => A)(Math.max(lengthNeeded, array.length * 2, rowsAtFirst));
  bigger.set(array);
  return bigger;
}

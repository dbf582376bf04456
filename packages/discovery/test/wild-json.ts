import fc from 'fast-check';

/** JSON of any shape in which the keys that a parser looks for are frequent, holding what they should or anything else. */
export function wildJson(keys: readonly string[]): fc.Arbitrary<unknown> {
  const leaf = fc.oneof(fc.constantFrom(null, true, '', 'Running', '10.0.0.1', 'fd00::1', 'peer.example', '0.0.0.0', 7946, '7946', -1, 65_536, 0.5), fc.string(), fc.integer(), fc.ipV4(), fc.ipV6());
  return fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'medium', withCrossShrink: true },
      leaf,
      fc.array(tie('node'), { maxLength: 5 }),
      fc.dictionary(fc.oneof({ arbitrary: fc.constantFrom(...keys), weight: 9 }, { arbitrary: fc.string(), weight: 1 }), tie('node'), { maxKeys: 5 }),
    ),
  })).node;
}

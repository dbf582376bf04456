/** A value somebody wrote, before it is checked. */
export interface Setting {
  /** The canonical path of the key it sets. */
  readonly path: string;
  readonly value: unknown;
  readonly source: Source;
  /** As it was written, when the value had to be turned into what the key understands. */
  readonly written?: unknown;
  /** A source of discovery that this spelling stands for. */
  readonly implies?: string;
  /** Only the port of an address is given; the host stays what the layer below says. */
  readonly portOnly?: boolean;
}

/** Where the value in force was written. */
export type Source =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly file: string; readonly line?: number; readonly spelled?: string }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'secret-file'; readonly file: string }
  | { readonly kind: 'flag'; readonly flag: string };

/** `engram.toml:12`, `ENGRAM_LOG_LEVEL`, `--http-port` or `default`. */
export function describeSource(source: Source): string {
  switch (source.kind) {
    case 'default':
      return 'default';
    case 'file':
      return `${describePlace(source)}${source.spelled === undefined ? '' : ` (as ${source.spelled})`}`;
    case 'environment':
      return source.variable;
    case 'secret-file':
      return source.file;
    case 'flag':
      return source.flag;
  }
}

/** As {@link describeSource}, without the spelling: for messages that begin with it. */
export function describePlace(source: Source): string {
  return source.kind === 'file' ? `${source.file}${source.line === undefined ? '' : `:${source.line}`}` : describeSource(source);
}

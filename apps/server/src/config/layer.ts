import { parseAddress, parsePort } from './address.js';
import type { Alias } from './aliases.js';
import { keys } from './keys.js';
import { isSecret, problemOf, showValue, type Problem } from './problems.js';
import { describePlace, type Setting, type Source } from './settings.js';

/** The settings of one place: the file, or the environment. A key may stand there under several spellings, with one value. */
export class Layer {
  readonly problems: Problem[] = [];
  readonly #byPath = new Map<string, { readonly spelled: string; readonly setting: Setting }>();

  get settings(): Setting[] {
    return [...this.#byPath.values()].map(({ setting }) => setting);
  }

  /** `spelled` is what the person wrote: the path of a key or another spelling of it, or the name of a variable. */
  add(spelled: string, path: string, written: unknown, source: Source, alias?: Alias): void {
    const refused = alias?.refuse?.(written);
    if (refused !== undefined) {
      this.problems.push({ ...this.#about(spelled, path, written, source), ...refused });
      return;
    }
    const value = alias?.read === undefined ? written : alias.read(written);
    const setting: Setting = {
      path, value, source,
      ...(value === written ? {} : { written }),
      ...(alias?.portOnly === true ? { portOnly: true } : {}),
      ...(alias?.implies === undefined ? {} : { implies: alias.implies }),
    };
    const other = this.#byPath.get(path);
    if (other === undefined || (other.setting.portOnly === true && sameValue(other.setting, setting))) this.#byPath.set(path, { spelled, setting });
    else if (!sameValue(other.setting, setting)) this.#refuseSecond(spelled, setting, other.spelled, other.setting);
  }

  #refuseSecond(spelled: string, { path, value, written = value, source }: Setting, otherSpelled: string, other: Setting): void {
    const otherValue = showValue(other.written ?? other.value, isSecret(path));
    const place = describePlace(other.source);
    const contradicted = `${otherSpelled} = ${otherValue}${place === otherSpelled ? '' : ` (${place})`}`;
    this.problems.push({
      ...this.#about(spelled, path, written, source),
      reason: spelled === path ? `contradicts ${contradicted}, which stands for the same key` : `stands for ${path} and contradicts ${contradicted}`,
      suggestion: 'Keep one of them.',
    });
  }

  #about(spelled: string, path: string, written: unknown, source: Source): Omit<Problem, 'reason'> {
    const { value, source: where } = problemOf(path, written, source, '');
    return { key: spelled, ...(value === undefined ? {} : { value }), ...(where === undefined ? {} : { source: describePlace(source) }) };
  }
}

/** Whether two settings of one key come to the same, however they are written: `"30s"` and `30000`. */
function sameValue(one: Setting, other: Setting): boolean {
  if (one.portOnly === true || other.portOnly === true) return portOf(one) !== undefined && portOf(one) === portOf(other);
  const { schema } = keys.get(one.path)!;
  const [checked, otherChecked] = [schema.safeParse(one.value), schema.safeParse(other.value)];
  return checked.success && otherChecked.success && JSON.stringify(checked.data) === JSON.stringify(otherChecked.data);
}

function portOf({ portOnly, value }: Setting): number | undefined {
  if (portOnly === true) return parsePort(value);
  return typeof value === 'string' ? parseAddress(value)?.port : undefined;
}

/** A disk that can be filled without harm to the one that everything else is on. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** In memory, and gone with {@link remove}. */
export class SmallDisk {
  readonly directory: string;
  readonly #filler: string;

  /** @throws Error where nothing may be mounted; {@link missingSmallDisk} tells before. */
  constructor(mebibytes: number) {
    this.directory = mkdtempSync(join(tmpdir(), 'engram-small-disk-'));
    this.#filler = join(this.directory, 'filler');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', this.directory], { stdio: 'pipe' });
    } catch (error) {
      rmSync(this.directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Takes all the space that is left. */
  fill(): void {
    spawnSync('dd', ['if=/dev/zero', `of=${this.#filler}`, 'bs=64k'], { stdio: 'ignore' });
  }

  /** Gives back what {@link fill} took. */
  empty(): void {
    rmSync(this.#filler, { force: true });
  }

  /** Nothing may run on it any more. */
  remove(): void {
    execFileSync('umount', [this.directory]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Why there can be none here; undefined when there can. Root may not mount everywhere, so it is tried. */
export const missingSmallDisk = whyNot();

function whyNot(): string | undefined {
  try {
    new SmallDisk(1).remove();
    return undefined;
  } catch (error) {
    return `a small tmpfs cannot be mounted, which needs root: ${(error as Error).message.trim().split('\n')[1] ?? 'no reason given'}`;
  }
}

import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { EngramError } from '@engram/kernel';
import { rebuildHint } from './memory-fields.js';

/**
 * Reads the pages of an lmdb file the way lmdb would, before lmdb does. lmdb maps the file and follows page numbers and
 * offsets without checking them, so a file that was cut off or overwritten ends the process with a signal no code can
 * catch. This walk visits every page that a read can reach and refuses the file when one of them would lead outside.
 *
 * What it covers: both meta pages, the shape of the trees, every page header, node and overflow run. Contents are covered
 * by the checksums of the records. What it cannot cover: a file that changes while it is open, and the lists of free
 * pages, whose layout is private to lmdb; damage there shows only when a later write uses it.
 *
 * The layout is that of data format 2 (`MDB_page`, `MDB_node`, `MDB_db`, `MDB_meta` in lmdb's mdb.c), for 64-bit hosts.
 */
export function inspectDataFile(directory: string): void {
  const path = join(directory, 'data.mdb');
  if (!existsSync(path)) return;
  const fd = openSync(path, 'r');
  try {
    const size = fstatSync(fd).size;
    // lmdb begins anew in an empty file, which is what a crash during the very first start leaves.
    if (size > 0) new PageWalk(fd, size, path).walk();
  } finally {
    closeSync(fd);
  }
}

const magic = 0xbeefc0de;
const dataVersion = 2;
const headerBytes = 24;
const nodeHeaderBytes = 8;
const treeBytes = 48;
const metaFlag = 0x08;
const branchFlag = 0x01;
const leafFlag = 0x02;
const overflowFlag = 0x04;
/** The bits that say what a page is; higher ones are lmdb's notes to itself while it writes. */
const kindMask = 0x7f;
const bigDataFlag = 0x01;
const subTreeFlag = 0x02;
const noPage = 0xffff_ffff_ffff_ffffn;
/** lmdb's own limit on the height of a tree. */
const depthMax = 32;

interface Tree {
  readonly depth: number;
  readonly root: bigint;
  /** Only the main tree holds other trees. */
  readonly holdsTrees: boolean;
}

class PageWalk {
  readonly #fd: number;
  readonly #path: string;
  readonly #pages: number;
  readonly #pageBytes: number;
  /** One bit per page: a page reached twice means that two parents claim it, or that the tree runs in a circle. */
  readonly #visited: Uint8Array;

  constructor(fd: number, size: number, path: string) {
    this.#fd = fd;
    this.#path = path;
    const head = Buffer.alloc(512);
    if (readSync(fd, head, 0, head.length, 0) < head.length) throw this.#damaged('is shorter than its first page', 0);
    this.#checkMeta(head, 0);
    this.#pageBytes = head.readUInt32LE(headerBytes + 24);
    if (this.#pageBytes < 512 || this.#pageBytes > 65_536 || (this.#pageBytes & (this.#pageBytes - 1)) !== 0) {
      throw this.#damaged(`states pages of ${this.#pageBytes} bytes`, 0);
    }
    this.#pages = Math.floor(size / this.#pageBytes);
    this.#visited = new Uint8Array(Math.ceil(this.#pages / 8));
  }

  walk(): void {
    const metas = [0, 1].map((number) => {
      const page = this.#read(number);
      this.#checkMeta(page, number);
      return page;
    });
    const transaction = (page: Buffer) => page.readBigUInt64LE(headerBytes + 128);
    const [first, second] = metas as [Buffer, Buffer];
    const latest = transaction(first) >= transaction(second) ? first : second;
    this.#walkTree(treeAt(latest, headerBytes + 24, false));
    this.#walkTree(treeAt(latest, headerBytes + 24 + treeBytes, true));
  }

  #checkMeta(page: Buffer, number: number): void {
    if ((page.readUInt16LE(18) & metaFlag) === 0 || page.readUInt32LE(headerBytes) !== magic) {
      throw this.#damaged('does not begin as an lmdb file', number);
    }
    const version = page.readUInt32LE(headerBytes + 4) & 0xffff;
    if (version !== dataVersion) throw this.#damaged(`is in lmdb data format ${version}; format ${dataVersion} was expected`, number);
  }

  #walkTree(tree: Tree): void {
    if (tree.root === noPage) return;
    if (tree.depth < 1 || tree.depth > depthMax) throw this.#damaged(`states a tree of height ${tree.depth}`, tree.root);
    const pending: { number: bigint; depth: number }[] = [{ number: tree.root, depth: 1 }];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const page = this.#visit(next.number);
      if (next.depth === tree.depth) this.#checkLeaf(page, next.number, tree);
      else for (const child of this.#children(page, next.number)) pending.push({ number: child, depth: next.depth + 1 });
    }
  }

  #children(page: Buffer, number: bigint): bigint[] {
    this.#expectFlags(page, number, branchFlag);
    const children: bigint[] = [];
    for (const node of this.#nodes(page, number)) {
      this.#expectRoom(node + nodeHeaderBytes + page.readUInt16LE(node + 6), number);
      children.push(BigInt(page.readUInt32LE(node)) | (BigInt(page.readUInt16LE(node + 4)) << 32n));
    }
    if (children.length === 0) throw this.#damaged('has a branch page without branches', number);
    return children;
  }

  #checkLeaf(page: Buffer, number: bigint, tree: Tree): void {
    this.#expectFlags(page, number, leafFlag);
    for (const node of this.#nodes(page, number)) {
      const dataBytes = page.readUInt32LE(node);
      const flags = page.readUInt16LE(node + 4);
      const data = node + nodeHeaderBytes + page.readUInt16LE(node + 6);
      if (flags === bigDataFlag) {
        this.#expectRoom(data + 8, number);
        this.#checkOverflow(page.readBigUInt64LE(data), dataBytes);
      } else if (flags === subTreeFlag && tree.holdsTrees) {
        this.#expectRoom(data + treeBytes, number);
        this.#walkTree(treeAt(page, data, false));
      } else if (flags === 0) {
        this.#expectRoom(data + dataBytes, number);
      } else {
        throw this.#damaged(`has an entry with flags ${flags}`, number);
      }
    }
  }

  #checkOverflow(number: bigint, dataBytes: number): void {
    const page = this.#visit(number);
    this.#expectFlags(page, number, overflowFlag);
    const pages = Math.floor((headerBytes - 1 + dataBytes) / this.#pageBytes) + 1;
    if (page.readUInt32LE(20) < pages) throw this.#damaged('has a large entry that is longer than its pages', number);
    for (let i = 1n; i < BigInt(pages); i++) this.#claim(number + i);
  }

  /** Offsets of the nodes of a branch or leaf page. */
  *#nodes(page: Buffer, number: bigint): Iterable<number> {
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    if (lower % 2 !== 0 || lower > upper || upper > this.#pageBytes - headerBytes) {
      throw this.#damaged(`has a page whose free space runs from ${lower} to ${upper}`, number);
    }
    for (let i = 0; i < lower; i += 2) {
      const node = headerBytes + page.readUInt16LE(headerBytes + i);
      if (node < headerBytes + upper) throw this.#damaged('has an entry inside the free space of its page', number);
      this.#expectRoom(node + nodeHeaderBytes, number);
      yield node;
    }
  }

  #visit(number: bigint): Buffer {
    this.#claim(number);
    const page = this.#read(Number(number));
    if (page.readBigUInt64LE(0) !== number) throw this.#damaged(`has page ${page.readBigUInt64LE(0)} where page ${number} belongs`, number);
    return page;
  }

  #claim(number: bigint): void {
    if (number < 2n || number >= BigInt(this.#pages)) throw this.#damaged(`refers to page ${number}, but ends after page ${this.#pages - 1}`, number);
    const index = Number(number);
    const bit = 1 << (index & 7);
    if ((this.#visited[index >> 3]! & bit) !== 0) throw this.#damaged(`refers to page ${number} twice`, number);
    this.#visited[index >> 3]! |= bit;
  }

  #read(number: number): Buffer {
    const page = Buffer.allocUnsafe(this.#pageBytes);
    const read = readSync(this.#fd, page, 0, this.#pageBytes, number * this.#pageBytes);
    if (read < this.#pageBytes) throw this.#damaged('ends inside a page', number);
    return page;
  }

  #expectFlags(page: Buffer, number: bigint, flags: number): void {
    const found = page.readUInt16LE(18) & kindMask;
    if (found !== flags) throw this.#damaged(`has a page of kind ${found} where kind ${flags} belongs`, number);
  }

  #expectRoom(end: number, number: bigint): void {
    if (end > this.#pageBytes) throw this.#damaged('has an entry that runs over the end of its page', number);
  }

  #damaged(complaint: string, page: number | bigint): EngramError {
    return new EngramError('store_damaged', `${this.#path} ${complaint} (at page ${page})`, {
      hint: rebuildHint,
      details: { file: this.#path, page: Number(page) },
    });
  }
}

function treeAt(page: Buffer, offset: number, holdsTrees: boolean): Tree {
  return { depth: page.readUInt16LE(offset + 6), root: page.readBigUInt64LE(offset + 40), holdsTrees };
}

import { nodeFileSystem, type LogFile, type LogFileSystem } from '../src/index.js';

export type FileOperation = 'create' | 'write' | 'read' | 'dataSync' | 'truncate' | 'rename' | 'remove' | 'syncDirectory' | 'list' | 'readWhole' | 'openForWriting' | 'openForReading' | 'makeDirectory';

/** The machine's file system with a say in each operation: throw to make it fail, wait to hold it up. */
export function faultyFileSystem(before: (operation: FileOperation, path: string) => void | Promise<void>): LogFileSystem {
  const wrapFile = (path: string, file: LogFile): LogFile => ({
    async write(bytes, offset) { await before('write', path); return file.write(bytes, offset); },
    async read(bytes, offset) { await before('read', path); return file.read(bytes, offset); },
    async dataSync() { await before('dataSync', path); return file.dataSync(); },
    async truncate(bytes) { await before('truncate', path); return file.truncate(bytes); },
    close: () => file.close(),
  });
  return {
    async makeDirectory(path) { await before('makeDirectory', path); return nodeFileSystem.makeDirectory(path); },
    async list(path) { await before('list', path); return nodeFileSystem.list(path); },
    async readWhole(path) { await before('readWhole', path); return nodeFileSystem.readWhole(path); },
    async create(path) { await before('create', path); return wrapFile(path, await nodeFileSystem.create(path)); },
    async openForWriting(path) { await before('openForWriting', path); return wrapFile(path, await nodeFileSystem.openForWriting(path)); },
    async openForReading(path) { await before('openForReading', path); return wrapFile(path, await nodeFileSystem.openForReading(path)); },
    async rename(from, to) { await before('rename', to); return nodeFileSystem.rename(from, to); },
    async remove(path) { await before('remove', path); return nodeFileSystem.remove(path); },
    async syncDirectory(path) { await before('syncDirectory', path); return nodeFileSystem.syncDirectory(path); },
  };
}

/** What the operating system says, in the form Node gives it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

// Reading shared libraries: the real runtime, files that we write, and files that are damaged in every way.

import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TastemakerError } from '#core/errors.ts';
import { readElfNeeds, readVersionStrings } from '#core/hardware/elf-needs.ts';
import { elf, provider, providerNeeds } from './elf-writer.ts';
import { fakeMachine } from './fake-machine.ts';

const machine = fakeMachine();
const written = (bytes: Buffer) => machine.put('library.so', bytes);
const refusal = (bytes: Buffer): string => {
  try {
    readElfNeeds(written(bytes));
  } catch (error) {
    if (error instanceof TastemakerError) return error.message;
    throw error;
  }
  return 'read';
};

describe('a shared library', () => {
  const real = path.join(process.cwd(), 'node_modules/onnxruntime-node/bin/napi-v6');
  test.each([
    ['x64', 'x86_64', 'ld-linux-x86-64.so.2'],
    ['arm64', 'aarch64', 'ld-linux-aarch64.so.1'],
  ])('the real ONNX Runtime for linux-%s', (processor, name, loader) => {
    const {
      machine: found,
      soname,
      needs,
      versionsDefined,
      versionsNeeded,
    } = readElfNeeds(path.join(real, 'linux', processor, 'libonnxruntime.so.1'));
    expect({ found, soname, versionsDefined }).toEqual({
      found: name,
      soname: 'libonnxruntime.so.1',
      versionsDefined: ['VERS_1.30.0'],
    });
    expect(needs).toEqual(expect.arrayContaining(['libstdc++.so.6', 'libm.so.6', 'libc.so.6', loader]));
    expect(versionsNeeded['libstdc++.so.6']).toContain('GLIBCXX_3.4.11');
  });

  test('the binding of onnxruntime-node needs the runtime in the version of its package', () => {
    const { needs, versionsNeeded } = readElfNeeds(path.join(real, 'linux/x64/onnxruntime_binding.node'));
    expect(needs[0]).toBe('libonnxruntime.so.1');
    expect(versionsNeeded['libonnxruntime.so.1']).toEqual(['VERS_1.30.0']);
  });

  test('comes back as it was written, whatever is in it', () => {
    const name = fc.stringMatching(/^lib[a-z]{1,8}\.so\.\d{1,2}$/);
    const names = fc.uniqueArray(name, { maxLength: 5 });
    const versions = fc.uniqueArray(fc.stringMatching(/^[A-Z]{1,5}_\d\.\d{1,2}$/), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.option(name, { nil: undefined }),
        names,
        fc.dictionary(name, versions, { maxKeys: 3 }),
        fc.option(versions, { nil: [] }),
        (soname, needs, versionsNeeded, versionsDefined) => {
          expect(readElfNeeds(written(elf({ soname, needs, versionsNeeded, versionsDefined })))).toEqual({
            machine: 'x86_64',
            soname: soname ?? null,
            needs,
            versionsNeeded,
            versionsDefined,
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  test('its version is a whole string among its constants', () => {
    expect(readVersionStrings(written(provider('1.30.0')))).toEqual(['1.30.0']);
    expect(
      readVersionStrings(
        written(elf({ constants: ['v1.2.3', '1.2', '1.2.3.4', 'a 1.30.0', '1.29.1', '1.29.1', '10.0.1'] })),
      ),
    ).toEqual(['1.29.1', '10.0.1']);
    expect(readVersionStrings(written(elf({ needs: ['1.2.3'] })))).toEqual([]);
  });
});

describe('what is none is refused with a sentence', () => {
  const good = provider();
  const changed = (at: number, ...bytes: number[]) =>
    Buffer.concat([good.subarray(0, at), Buffer.from(bytes), good.subarray(at + bytes.length)]);
  test.each<[string, Buffer, RegExp]>([
    ['an empty file', Buffer.alloc(0), /is empty\.$/],
    ['a text', Buffer.from('#!/bin/sh\n'), /is not a Linux shared library\.$/],
    ['a Windows library', Buffer.from('MZ\x90\0'), /is not a Linux shared library\.$/],
    ['32 bits', changed(4, 1), /another kind of machine \(32-bit, little-endian\)/],
    ['big-endian', changed(5, 2), /another kind of machine \(64-bit, big-endian\)/],
    ['a program', changed(16, 2, 0), /is no shared library, but another kind of ELF file/],
    ['one without a dynamic section', changed(64 + 56, 4), /it has no dynamic section/],
    [
      'strings beyond the file',
      changed(good.indexOf(Buffer.from('0a000000000000', 'hex'), 300) + 8, 0xff, 0xff, 0xff, 0),
      /is cut short|is damaged/,
    ],
  ])('%s', (_, bytes, sentence) => expect(refusal(bytes)).toMatch(sentence));

  test('an absent file, a folder', () => {
    expect(() => readElfNeeds(path.join(machine.root, 'nothing.so'))).toThrow(/nothing\.so cannot be read \(ENOENT\)/);
    expect(() => readElfNeeds(machine.root)).toThrow(/is not a file/);
  });

  test('every file that is cut short, at any place', () => {
    for (let length = 0; length < good.length; length++)
      expect(refusal(good.subarray(0, length)), `${length} bytes`).toMatch(
        /is (empty|cut short|not a Linux shared library)/,
      );
    expect(refusal(good)).toBe('read');
  });

  test('one without a table of sections, as a stripped file may be, that is cut short', () => {
    const stripped = Buffer.from(good);
    stripped.fill(0, 40, 48); // where the table is
    stripped.fill(0, 58, 64); // how many it holds
    const parts = good.readBigUInt64LE(40);
    const cut = stripped.subarray(0, Number(parts) - 1);
    expect(refusal(stripped)).toBe('read');
    expect(refusal(cut)).toBe(
      `${path.join(machine.root, 'library.so')} is cut short: it has ${cut.length} bytes and should have at least ${parts}.`,
    );
  });

  test('random bytes and random damage never do anything but refuse', () => {
    const start = Buffer.from('\x7fELF\x02\x01\x01', 'latin1');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, looksRight) => {
        expect(refusal(looksRight ? Buffer.concat([start, bytes]) : Buffer.from(bytes))).not.toBe('read');
      }),
      { numRuns: 150 },
    );
    const whole = elf({
      soname: 'libx.so',
      needs: providerNeeds(12),
      versionsNeeded: { 'libc.so.6': ['A', 'B'], 'libm.so.6': ['C'] },
      versionsDefined: ['V_1'],
      constants: ['1.2.3'],
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 12 }),
        (damage) => {
          const bytes = Buffer.from(whole);
          for (const [at, value] of damage) bytes[at] = value;
          const file = written(bytes);
          for (const read of [readElfNeeds, readVersionStrings]) {
            try {
              read(file);
            } catch (error) {
              if (!(error instanceof TastemakerError)) throw error;
            }
          }
        },
      ),
      { numRuns: 400 },
    );
    expect(fs.existsSync(machine.root)).toBe(true);
  });
});

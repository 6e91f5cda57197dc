// The CUDA files beside the runtime: what is wrong with them, each in its own sentence, and that they arrive whole or
// not at all.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TastemakerError } from '#core/errors.ts';
import { readCudaFiles, removeCudaFiles, runtimeFolder, runtimeVersion } from '#core/hardware/cuda-files.ts';
import { installCudaFiles } from '#core/hardware/install-cuda-files.ts';
import type { CudaSource } from '#core/hardware/install-cuda-files.ts';
import { openWheel } from '#core/hardware/wheel.ts';
import { CUDA, elf, provider, providerNeeds, runtime, SHARED, shared, wheel } from './elf-writer.ts';
import { fakeMachine } from './fake-machine.ts';
import type { FakeMachine } from './fake-machine.ts';

const platform = 'linux-x64';
const look = ({ env }: FakeMachine) => readCudaFiles({ env, platform });
const IN_WHEEL = 'onnxruntime/capi/';
const inWheel = (cuda = provider()) => ({
  [`${IN_WHEEL}${SHARED}`]: shared(),
  [`${IN_WHEEL}${CUDA}`]: cuda,
  'onnxruntime/__init__.py': Buffer.from('x = 1\n'),
});

async function install(
  machine: FakeMachine,
  source: CudaSource,
): Promise<{ said: string[]; refusal: string; hint: string; state: string }> {
  const said: string[] = [];
  try {
    const { state } = await installCudaFiles(source, (line) => said.push(line), { env: machine.env, platform });
    return { said, refusal: '', hint: '', state };
  } catch (error) {
    if (!(error instanceof TastemakerError)) throw error;
    return { said, refusal: error.message, hint: error.hint, state: (await look(machine)).state };
  }
}
/** Nothing but what belongs there: no temporary name is left. */
const names = ({ runtime: folder }: FakeMachine) => fs.readdirSync(folder).toSorted();
const WHOLE = ['cuda-files.json', 'libonnxruntime.so.1', CUDA, SHARED].toSorted();

describe('what is there', () => {
  test('the real runtime says its version; another folder may be named', () => {
    expect(runtimeVersion(path.join(process.cwd(), 'node_modules/onnxruntime-node/bin/napi-v6/linux/x64'))).toBe(
      '1.30.0',
    );
    expect(runtimeFolder({})).toMatch(/onnxruntime-node[\\/]bin[\\/]napi-v6[\\/]/);
    expect(runtimeFolder({ TASTEMAKER_RUNTIME_FILES: '/app/files' })).toBe(path.resolve('/app/files'));
  });

  const cases: [string, string, RegExp, (machine: FakeMachine) => void][] = [
    ['none', 'absent', /^The CUDA files of ONNX Runtime are not installed\.$/, () => {}],
    [
      'both, put there by hand',
      'ready',
      /^The CUDA files of ONNX Runtime 1\.30\.0 are installed, for CUDA 13\.$/,
      (machine) => machine.files(),
    ],
    ['for CUDA 12', 'ready', /for CUDA 12\.$/, (machine) => machine.files(provider('1.30.0', 12))],
    [
      'only one',
      'broken',
      /^Of the two CUDA files, libonnxruntime_providers_shared\.so is missing in /,
      (machine) => machine.put(path.join(machine.runtime, CUDA), provider()),
    ],
    [
      'one that is no library',
      'broken',
      /^A CUDA file is broken: .*providers_cuda\.so is not a Linux shared library\.$/,
      (machine) => machine.files(Buffer.from('a pointer in place of the file\n')),
    ],
    [
      'one that is cut short',
      'broken',
      /^A CUDA file is broken: .*is cut short: it has \d+ bytes/,
      (machine) => machine.files(provider().subarray(0, -1)),
    ],
    [
      'one for another processor',
      'broken',
      /is for aarch64, not for this x64 processor\.$/,
      (machine) => machine.files(elf({ machine: 183, needs: providerNeeds(13), constants: ['1.30.0'] })),
    ],
    [
      'another library under its name',
      'broken',
      /is another library, libonnxruntime_providers_shared\.so\.$/,
      (machine) => machine.files(shared()),
    ],
    [
      'one that needs no CUDA',
      'broken',
      /is no CUDA provider for CUDA 12 or 13/,
      (machine) => machine.files(elf({ needs: ['libc.so.6'], constants: ['1.30.0'] })),
    ],
    [
      'one for CUDA 11',
      'broken',
      /is no CUDA provider for CUDA 12 or 13/,
      (machine) => machine.files(provider('1.30.0', 11)),
    ],
    [
      'another version',
      'wrong-version',
      /providers_cuda\.so is of ONNX Runtime 1\.29\.1, and 1\.30\.0 is needed\.$/,
      (machine) => machine.files(provider('1.29.1')),
    ],
    [
      'no version',
      'wrong-version',
      /does not say of which version of ONNX Runtime it is, and 1\.30\.0 is needed\.$/,
      (machine) => machine.files(elf({ needs: providerNeeds(13) })),
    ],
    [
      'another runtime',
      'wrong-version',
      /is of ONNX Runtime 1\.30\.0, and 1\.31\.0 is needed\.$/,
      (machine) => (machine.files(), machine.put(path.join(machine.runtime, 'libonnxruntime.so.1'), runtime('1.31.0'))),
    ],
    [
      'no runtime',
      'broken',
      /^ONNX Runtime's own library is not in .*, or damaged\.$/,
      (machine) => fs.rmSync(path.join(machine.runtime, 'libonnxruntime.so.1')),
    ],
  ];
  test.each(cases)('%s', async (_, state, sentence, prepare) => {
    const machine = fakeMachine();
    prepare(machine);
    const found = await look(machine);
    expect({ state: found.state, sentence: found.sentence }).toEqual({
      state,
      sentence: expect.stringMatching(sentence),
    });
    expect(found.hint === null).toBe(state === 'ready');
  });

  test('elsewhere than on Linux with an x64 processor there is nothing to look for', async () => {
    const { env } = fakeMachine();
    expect(await readCudaFiles({ env, platform: 'darwin-arm64' })).toMatchObject({
      state: 'unsupported',
      sentence: expect.stringContaining('this machine is darwin-arm64'),
    });
    await expect(installCudaFiles({ kind: 'installer' }, () => {}, { env, platform: 'win32-x64' })).rejects.toThrow(
      /CUDA can be used on Linux with an x64 processor/,
    );
  });
});

describe('from a wheel', () => {
  test.each([
    ['deflated', false],
    ['stored', true],
  ])('%s: installed, recorded, found; removed again', async (_, stored) => {
    const machine = fakeMachine();
    const file = machine.put('onnxruntime_gpu-1.30.0-cp311-cp311-linux_x86_64.whl', wheel(inWheel(), { stored }));
    expect(await install(machine, { kind: 'wheel', file })).toMatchObject({
      state: 'ready',
      said: [
        expect.stringContaining('Unpacking'),
        expect.stringContaining('Unpacking'),
        expect.stringMatching(/^Installed .* of ONNX Runtime 1\.30\.0 for CUDA 13\.$/),
      ],
    });
    expect(names(machine)).toEqual(WHOLE);
    expect(fs.readFileSync(path.join(machine.runtime, CUDA))).toEqual(provider());
    const found = await look(machine);
    expect(found).toMatchObject({
      state: 'ready',
      version: '1.30.0',
      major: 13,
      needs: providerNeeds(13),
      record: { version: '1.30.0', cuda: 13, source: `wheel ${path.basename(file)}` },
    });
    expect(found.record!.files[CUDA]).toEqual({
      bytes: provider().length,
      sha256: createHash('sha256').update(provider()).digest('hex'),
    });
    expect(removeCudaFiles({ env: machine.env })).toEqual([SHARED, CUDA]);
    expect(names(machine)).toEqual(['libonnxruntime.so.1']);
    expect(removeCudaFiles({ env: machine.env })).toEqual([]);
  });

  test('a file that changed after it was installed is found by its hash', async () => {
    const machine = fakeMachine();
    await install(machine, { kind: 'wheel', file: machine.put('a.whl', wheel(inWheel())) });
    const file = path.join(machine.runtime, CUDA);
    const bytes = fs.readFileSync(file);
    bytes[bytes.indexOf('cudaSetDevice')]! ^= 1;
    fs.writeFileSync(file, bytes);
    expect(await look(machine)).toMatchObject({
      state: 'changed',
      sentence: expect.stringMatching(
        /providers_cuda\.so is not the file that was installed on \d{4}-\d\d-\d\d: its SHA-256 differs\.$/,
      ),
    });
    expect((await readCudaFiles({ env: machine.env, platform, hash: false })).state, 'unless hashes are left out').toBe(
      'ready',
    );
  });

  test.each<[string, () => Buffer, RegExp]>([
    [
      'bytes that RECORD does not promise',
      () => wheel(inWheel(), { lies: { [`${IN_WHEEL}${CUDA}`]: Buffer.from('other') } }),
      /does not have the SHA-256 that its RECORD promises\.$/,
    ],
    [
      'another package',
      () => wheel(inWheel(), { name: 'onnxruntime_rocm' }),
      /is a wheel of onnxruntime-rocm, not of onnxruntime-gpu\.$/,
    ],
    [
      'another version',
      () => wheel(inWheel(), { version: '1.29.0' }),
      /is of onnxruntime-gpu 1\.29\.0, and 1\.30\.0 is needed\.$/,
    ],
    [
      'another version inside',
      () => wheel(inWheel(provider('1.28.0'))),
      /^libonnxruntime_providers_cuda\.so is of ONNX Runtime 1\.28\.0, and 1\.30\.0 is needed\.$/,
    ],
    [
      'no CUDA file',
      () => wheel({ [`${IN_WHEEL}${SHARED}`]: shared() }),
      /does not hold onnxruntime\/capi\/libonnxruntime_providers_cuda\.so\.$/,
    ],
    ['no wheel', () => Buffer.from('<html>not found</html>'), /is no wheel, or cut short/],
    ['nothing', () => Buffer.alloc(0), /is no wheel, or cut short/],
  ])('refuses %s, and what was there stays', async (_, bytes, sentence) => {
    const machine = fakeMachine();
    await install(machine, {
      kind: 'folder',
      folder:
        (machine.put(`old/${SHARED}`, shared()), path.dirname(machine.put(`old/${CUDA}`, provider('1.30.0', 12)))),
    });
    const before = fs.readFileSync(path.join(machine.runtime, CUDA));
    const { refusal, hint } = await install(machine, { kind: 'wheel', file: machine.put('a.whl', bytes()) });
    expect(refusal).toMatch(sentence);
    expect(hint).not.toBe('');
    expect(names(machine)).toEqual(WHOLE);
    expect(fs.readFileSync(path.join(machine.runtime, CUDA))).toEqual(before);
    expect((await look(machine)).state).toBe('ready');
  });

  test('cut short or damaged at any place, a wheel is refused or brings the right bytes', async () => {
    const machine = fakeMachine();
    const whole = wheel(inWheel());
    for (let length = 0; length < whole.length; length += 7)
      expect(() => openWheel(machine.put('cut.whl', whole.subarray(0, length))), `${length}`).toThrow(TastemakerError);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const bytes = Buffer.from(whole);
        bytes[at]! ^= change;
        const { refusal } = await install(machine, { kind: 'wheel', file: machine.put('damaged.whl', bytes) });
        const installed = refusal === '' ? fs.readFileSync(path.join(machine.runtime, CUDA)) : provider();
        expect(installed).toEqual(provider());
        expect(names(machine).filter((name) => name.startsWith('.'))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test('pip fetches it where no file is given; what pip says is told, and its failure is a sentence', async () => {
    const machine = fakeMachine();
    machine.put('there.whl', wheel(inWheel()));
    const arrive = `while [ $# -gt 1 ]; do shift; done; /bin/mkdir -p "$1"; /bin/cp ${machine.root}/there.whl "$1/onnxruntime_gpu-1.30.0-cp311-cp311-manylinux_2_28_x86_64.whl"`;
    machine.program('python3', 'echo "/usr/bin/python3: No module named pip" >&2; exit 1');
    machine.program('pip3', `echo "$@" > ${machine.root}/asked; echo "Downloading 247 MB"; ${arrive}`);
    const { state, said } = await install(machine, { kind: 'wheel' });
    expect(state).toBe('ready');
    expect(said).toContain('Downloading 247 MB');
    expect(fs.readFileSync(path.join(machine.root, 'asked'), 'utf8')).toMatch(
      /^download onnxruntime-gpu==1\.30\.0 --no-deps --only-binary=:all: --platform manylinux_2_28_x86_64 --python-version 3\.11 --dest /,
    );
    machine.program(
      'pip3',
      'echo "WARNING: retrying" >&2; echo "ERROR: No matching distribution found for onnxruntime-gpu==1.30.0" >&2; exit 1',
    );
    expect(await install(machine, { kind: 'wheel' })).toMatchObject({
      refusal:
        'pip could not fetch onnxruntime-gpu 1.30.0: ERROR: No matching distribution found for onnxruntime-gpu==1.30.0',
      hint: expect.stringContaining('--wheel FILE'),
      state: 'ready',
    });
    const bare = fakeMachine();
    expect((await install(bare, { kind: 'wheel' })).refusal).toMatch(/^There is no pip here/);
    expect(names(bare)).toEqual(['libonnxruntime.so.1']);
  });
});

describe('from a folder', () => {
  const filled = (machine: FakeMachine, folder: string, cuda = provider()) => {
    machine.put(path.join(folder, SHARED), shared());
    return path.dirname(machine.put(path.join(folder, CUDA), cuda));
  };
  test.each([
    '',
    'onnxruntime/capi',
    'node_modules/onnxruntime-node/bin/napi-v6/linux/x64',
    'runtimes/linux-x64/native',
  ])('with the files in "%s"', async (inside) => {
    const machine = fakeMachine();
    filled(machine, path.join('given', inside), provider('1.30.0', 12));
    expect((await install(machine, { kind: 'folder', folder: path.join(machine.root, 'given') })).state).toBe('ready');
    expect(await look(machine)).toMatchObject({ state: 'ready', major: 12 });
  });

  test('SHA256SUMS beside the files is obeyed', async () => {
    const machine = fakeMachine();
    const folder = filled(machine, 'given');
    const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    machine.put('given/SHA256SUMS', `${sum(shared())}  ${SHARED}\n${sum(provider()).toUpperCase()} *./${CUDA}\n`);
    expect((await install(machine, { kind: 'folder', folder })).state).toBe('ready');
    machine.put('given/SHA256SUMS', `${sum(shared())}  ${CUDA}\n`);
    expect((await install(machine, { kind: 'folder', folder })).refusal).toMatch(
      /providers_cuda\.so does not have the SHA-256 that SHA256SUMS beside it promises\.$/,
    );
    expect(names(machine)).toEqual(WHOLE);
  });

  test('what else a folder holds is told', async () => {
    const machine = fakeMachine();
    const refusal = async (name: string, ...files: string[]) => {
      for (const file of files) machine.put(`${name}/${file}`, 'x');
      return install(machine, { kind: 'folder', folder: path.join(machine.root, name) });
    };
    expect(await refusal('kit', 'kit.aa', 'kit.ab', 'unpack.sh')).toMatchObject({
      refusal: expect.stringMatching(/holds a kit in 2 packed parts .* must be unpacked first\.$/),
      hint: expect.stringContaining('kit.?? | xz -dc | tar -C kit -xf -'),
    });
    expect(await refusal('wheels', 'onnxruntime_gpu-1.30.0-x.whl')).toMatchObject({
      hint: expect.stringMatching(/--wheel .*onnxruntime_gpu-1\.30\.0-x\.whl`\.$/),
    });
    expect((await refusal('half', SHARED)).refusal).toMatch(/does not hold libonnxruntime_providers_cuda\.so\.$/);
    expect((await refusal('nowhere')).refusal).toMatch(/nowhere is not a folder\.$/);
  });

  test('a folder that may not be written to, and what an interrupted installation left', async () => {
    const machine = fakeMachine();
    const folder = filled(machine, 'given');
    const left = path.join(machine.runtime, '.cuda-left');
    fs.mkdirSync(left);
    fs.utimesSync(left, new Date(0), new Date(0));
    const running = path.join(machine.runtime, '.cuda-running');
    fs.mkdirSync(running);
    expect((await install(machine, { kind: 'folder', folder })).state).toBe('ready');
    expect([fs.existsSync(left), fs.existsSync(running)]).toEqual([false, true]);
    if (process.getuid?.() === 0) return; // root may write anywhere
    fs.chmodSync(machine.runtime, 0o555);
    expect((await install(machine, { kind: 'folder', folder })).refusal).toMatch(/may not be written to\.$/);
    fs.chmodSync(machine.runtime, 0o755);
  });
});

describe('through the installer of onnxruntime-node', () => {
  const withScript = (script: string): FakeMachine => {
    const machine = fakeMachine();
    machine.put('node_modules/onnxruntime-node/package.json', '{"name":"onnxruntime-node","version":"1.30.0"}');
    machine.put('node_modules/adm-zip/index.js', 'module.exports = "a package of its own";');
    machine.put('node_modules/onnxruntime-node/script/install.js', script);
    machine.put(`given/${SHARED}`, shared());
    machine.put(`given/${CUDA}`, provider('1.30.0', 12));
    return machine;
  };
  const COPIES = `const fs = require('node:fs'), path = require('node:path'); if (require('adm-zip') !== 'a package of its own') process.exit(5);
    const bin = path.join(__dirname, '../bin/napi-v6/linux/x64'); fs.mkdirSync(bin, { recursive: true });
    if (process.env.ONNXRUNTIME_NODE_INSTALL || process.env.ONNXRUNTIME_NODE_INSTALL_CUDA !== 'v12') process.exit(6);
    console.log('Extracting'); for (const name of ['${SHARED}', '${CUDA}']) fs.copyFileSync(path.join(process.env.GIVEN, name), path.join(bin, name));`;

  test('runs beside the runtime, is told of CUDA 12 whatever the environment says, and its files are moved in whole', async () => {
    const machine = withScript(COPIES);
    Object.assign(machine.env, { GIVEN: path.join(machine.root, 'given'), ONNXRUNTIME_NODE_INSTALL: 'skip' });
    expect(await install(machine, { kind: 'installer' })).toMatchObject({
      state: 'ready',
      said: expect.arrayContaining(['Extracting']),
    });
    expect(await look(machine)).toMatchObject({
      state: 'ready',
      major: 12,
      record: { source: "onnxruntime-node's installer, CUDA 12" },
    });
    expect(names(machine)).toEqual(WHOLE);
  });

  test('its failure is a sentence; without the script there is another way', async () => {
    const failing = withScript("throw new Error('Failed to download from the feed. HTTP status code = 503');");
    expect(await install(failing, { kind: 'installer' })).toMatchObject({
      refusal: expect.stringMatching(/^onnxruntime-node's installer failed: .*HTTP status code = 503/),
      hint: expect.stringContaining('It needs the network'),
      state: 'absent',
    });
    expect((await install(withScript('process.exit(0)'), { kind: 'installer' })).refusal).toMatch(
      /ended well and did not bring libonnxruntime_providers_shared\.so/,
    );
    expect(await install(fakeMachine(), { kind: 'installer' })).toMatchObject({
      refusal: expect.stringMatching(/install script is not here/),
      hint: expect.stringContaining('--download'),
    });
  });

  test('the real script knows the word that we tell it', () => {
    const scripts = path.join(process.cwd(), 'node_modules/onnxruntime-node/script');
    expect(fs.readFileSync(path.join(scripts, 'install-utils.js'), 'utf8')).toMatch(
      /process\.env\.ONNXRUNTIME_NODE_INSTALL_CUDA[^]*case 'v12':\s*return 12;/,
    );
    expect(fs.readFileSync(path.join(scripts, 'install.js'), 'utf8')).toContain(
      "path.join(__dirname, '..', 'bin/napi-v6', PLATFORM)",
    );
  });
});

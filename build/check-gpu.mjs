// Checks an NVIDIA card and measures it: `npm run check:gpu`, or `node build/check-gpu.mjs` where only a Node 24 and
// onnxruntime-node are.
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const OLDEST_MAJOR = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (Number(process.versions.node.split('.')[0]) < OLDEST_MAJOR) {
  process.stderr.write(
    `This Node (${process.versions.node}) is too old.\nHint: use Node ${OLDEST_MAJOR}, or npm run check:gpu, which finds it.\n`,
  );
  process.exit(2);
}
const { checkGpu } = await import(pathToFileURL(join(root, 'core/cli/check-gpu/main.ts')).href);
try {
  process.exitCode = await checkGpu(process.argv.slice(2), (line) => process.stdout.write(`${line}\n`));
} catch (error) {
  process.stderr.write(`${error.message}\n${error.hint ? `Hint: ${error.hint}\n` : ''}`);
  process.exitCode = 2;
}

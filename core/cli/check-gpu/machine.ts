// Section "machine": card, driver, CUDA, the provider's files, the runtime, Node, and the PyTorch to compare with.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runtimeVersion } from '#core/autodiff/session.ts';
import { CUDA_FILE, sha256Of } from '#core/hardware/cuda-files.ts';
import { lookAtCuda } from '#core/hardware/providers.ts';
import { askPeer } from './peer.ts';
import type { Context } from './context.ts';

const GIB = 2 ** 30;

/** One row a fact; missing CUDA libraries and files are no failure here: the next sections say what they cost. */
export async function machine({ row, note, python, left }: Context): Promise<void> {
  const fact = (what: string, value: string | null) => row({ what, value: value ?? 'unknown', unit: '', ok: null });
  const { cards, files, libraries } = await lookAtCuda({ hash: false });
  for (const { index, name, memory, computeCapability } of cards.cards)
    await fact(
      `card ${index}`,
      `${name}${memory === null ? '' : `, ${(memory / GIB).toFixed(1)} GiB`}${computeCapability ? `, compute capability ${computeCapability}` : ''}`,
    );
  if (cards.cards.length === 0) await fact('card', cards.sentence);
  await fact('driver', cards.driver ? `${cards.driver}${cards.cuda ? `, up to CUDA ${cards.cuda}` : ''}` : 'none');
  await fact(
    'processor',
    `${os.cpus()[0]?.model ?? 'unknown'}, ${os.availableParallelism()} cores, ${(os.totalmem() / GIB).toFixed(1)} GiB`,
  );
  await fact('ONNX Runtime', runtimeVersion());
  await fact('CUDA files', files.sentence);
  const provider = path.join(files.folder, CUDA_FILE);
  if (fs.existsSync(provider)) await fact(`SHA-256 of ${CUDA_FILE}`, await sha256Of(provider));
  if (libraries) {
    await fact(
      'CUDA libraries',
      libraries.missing.length
        ? `missing: ${libraries.missing.map(({ soname }) => soname).join(', ')}`
        : `CUDA ${libraries.major}, complete`,
    );
    for (const { sentence } of libraries.missing) note(sentence);
  }
  await fact('Node', process.version);
  const answer = await askPeer(python, ['versions'], left());
  await fact('PyTorch', answer.error ?? String(answer.peer));
}

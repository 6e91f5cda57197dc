// What lies in a folder instead of weights is recognised, with the command that converts it.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { otherCheckpoint } from '#core/formats/other-checkpoints.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { modelConfig } from '#core/models/config-json.ts';
import { tinyModel } from './tiny-models.ts';
import { scratch, fresh, made, refusal } from './made-folders.ts';

describe('what lies there instead of weights is recognised, with the command that converts it', () => {
  const POINTER =
    'version https://git-lfs.github.com/spec/v1\noid sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\nsize 5012345\n';
  function laid(files: Record<string, string>, from: Checkpoint | null = null): string {
    const folder = from ? made(from) : fresh();
    for (const [name, text] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      fs.writeFileSync(path.join(folder, name), text);
    }
    return folder;
  }
  const CONFIG = JSON.stringify(modelConfig(tinyModel('llama').architecture, 'language-model', 'F32'));

  test.each([
    ['as it is', POINTER],
    ['with the line ends of Windows', POINTER.replaceAll('\n', '\r\n')],
    ['of the first version', POINTER.replace('git-lfs.github.com', 'hawser.github.com')],
    ['with extensions', POINTER.replace('oid', 'ext-0-foo sha256:00\noid')],
  ])('a pointer of Git LFS, %s, in place of any file', (_, pointer) => {
    for (const name of ['model.safetensors', 'config.json', 'generation_config.json']) {
      const folder = laid({ [name]: pointer }, tinyModel('llama'));
      const { message, hint } = refusal(folder);
      expect(message).toBe(`${path.join(folder, name)} is a Git LFS pointer, not the file itself.`);
      expect(hint).toContain('`git lfs pull`');
    }
    const sharded = made(tinyModel('llama'), { maxShardBytes: 1500 });
    for (const name of ['model-00002-of-00007.safetensors', 'model.safetensors.index.json'].filter((one) =>
      fs.existsSync(path.join(sharded, one)),
    )) {
      fs.writeFileSync(path.join(sharded, name), pointer);
      expect(refusal(sharded).message).toBe(`${path.join(sharded, name)} is a Git LFS pointer, not the file itself.`);
    }
    const gguf = path.join(laid({ 'model.gguf': pointer }), 'model.gguf');
    expect(refusal(gguf).message).toBe(`${gguf} is a Git LFS pointer, not the file itself.`);
  });

  const verl = {
    'fsdp_config.json': '{}',
    'model_world_size_2_rank_0.pt': 'x',
    'model_world_size_2_rank_1.pt': 'x',
    'huggingface/config.json': CONFIG,
  };
  const within = (folder: string, files: object) =>
    Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text as string]));
  test.each<[string, Record<string, string>, string, RegExp, RegExp]>([
    [
      'verl',
      verl,
      '',
      /is a checkpoint of verl/,
      /python -m verl\.model_merger merge --backend fsdp --local_dir \S*model-\d+ --target_dir/,
    ],
    [
      'verl by its step',
      within('global_step_20/actor', verl),
      'global_step_20',
      /is a checkpoint of verl/,
      /--local_dir \S*global_step_20\/actor --target_dir/,
    ],
    ['verl by its configuration', verl, 'huggingface', /is a checkpoint of verl/, /--local_dir \S*model-\d+ /],
    [
      'verl, Megatron',
      { 'dist_ckpt/__0_0.distcp': 'x', 'huggingface/config.json': CONFIG },
      '',
      /is a checkpoint of verl/,
      /--backend megatron/,
    ],
    [
      'DeepSpeed',
      {
        'config.json': CONFIG,
        'zero_to_fp32.py': '',
        latest: 'global_step5',
        'global_step5/mp_rank_00_model_states.pt': 'x',
        'global_step5/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt': 'x',
      },
      '',
      /is a checkpoint of DeepSpeed/,
      /python zero_to_fp32\.py \. merged/,
    ],
    [
      'DeepSpeed by its step',
      { 'global_step5/mp_rank_00_model_states.pt': 'x' },
      'global_step5',
      /is a checkpoint of DeepSpeed/,
      /zero_to_fp32\.py/,
    ],
    [
      'FSDP',
      { 'config.json': CONFIG, 'pytorch_model_fsdp_0/.metadata': 'x', 'pytorch_model_fsdp_0/__0_0.distcp': 'x' },
      '',
      /FSDP \(\.distcp\)/,
      /accelerate merge-weights \S*pytorch_model_fsdp_0 /,
    ],
    [
      'pytorch_model.bin',
      { 'config.json': CONFIG, 'pytorch_model.bin': 'x' },
      '',
      /pytorch_model\.bin/,
      /save_pretrained/,
    ],
    [
      'pytorch_model.bin in parts',
      { 'config.json': CONFIG, 'pytorch_model.bin.index.json': '{}', 'pytorch_model-00001-of-00002.bin': 'x' },
      '',
      /pytorch_model\.bin/,
      /save_pretrained/,
    ],
    [
      'Meta',
      { 'params.json': '{}', 'consolidated.00.pth': 'x', 'tokenizer.model': 'x' },
      '',
      /layout of Meta/,
      /convert_llama_weights_to_hf --input_dir/,
    ],
    ['a pickle', { 'last.ckpt': 'x' }, '', /a pickle that is not opened/, /save_pretrained/],
    ['a pickle by its name', { 'model.pt': 'x' }, 'model.pt', /a pickle that is not opened/, /save_pretrained/],
    ['GGUF files in a folder', { 'model.gguf': 'x' }, '', /a folder of GGUF files/, /Name the file itself/],
  ])('%s', (_, files, named, says, hint) => {
    const place = path.join(laid(files), named);
    const found = otherCheckpoint(place)!;
    expect(found.message).toMatch(says);
    expect(found.hint).toMatch(hint);
    const isFolder = fs.statSync(place).isDirectory();
    expect(isFolder ? refusal(place) : found).toMatchObject({ message: found.message, hint: found.hint });
  });

  test('what a trainer leaves beside a whole model is none of these, nor is an empty folder', () => {
    const folder = laid(
      { 'optimizer.pt': 'x', 'rng_state_0.pth': 'x', 'training_args.bin': 'x', 'scheduler.pt': 'x' },
      tinyModel('llama'),
    );
    expect(loadCheckpoint(folder)).toEqual(tinyModel('llama'));
    fs.rmSync(path.join(folder, 'model.safetensors'));
    expect(otherCheckpoint(folder)).toBeNull();
    expect(refusal(folder).message).toContain('holds neither model.safetensors nor');
    expect(otherCheckpoint(path.join(scratch, 'nowhere'))).toBeNull();
  });
});

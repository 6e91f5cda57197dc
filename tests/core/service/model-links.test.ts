// What links in a model's folder lead to: followed within it and within the hub's cache, and never copied or exported
// from anywhere else.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { copyTokenizer, readTokenizerFiles } from '#core/formats/tokenizer-files.ts';
import { cardFactsOf } from '#core/service/models/card-facts.ts';
import { copyModel } from '#core/service/models/copy-model.ts';
import { exportModel } from '#core/service/models/export-model.ts';
import { lookAtModels } from '#core/service/models/model-look.ts';
import { workFolder, writeSmallModel } from './projects-at-hand.ts';

const work = fs.realpathSync(workFolder());
const MODEL = path.join(work, 'small');
await writeSmallModel(MODEL);
const SECRET = 'a private key, not for others';
const secret = path.join(work, 'id_private');
fs.writeFileSync(secret, SECRET);
const secretJson = path.join(work, 'credentials.json');
fs.writeFileSync(secretJson, JSON.stringify({ secret: SECRET }));
let places = 0;
const fresh = (name: string) => path.join(work, `${name}-${++places}`);

/** A small model, some of whose files are links to elsewhere. */
function modelWith(links: Readonly<Record<string, string>>): string {
  const folder = fresh('model');
  fs.cpSync(MODEL, folder, { recursive: true });
  for (const [name, target] of Object.entries(links)) {
    fs.rmSync(path.join(folder, name), { force: true });
    fs.symlinkSync(target, path.join(folder, name));
  }
  return folder;
}
const everything = (folder: string): string =>
  fs
    .readdirSync(folder)
    .map((name) => fs.readFileSync(path.join(folder, name), 'latin1'))
    .join('\n');
const exported = async (model: string) => {
  const into = fresh('export');
  await exportModel({
    model,
    format: 'hf-f32',
    into,
    facts: { ...(await cardFactsOf(model)), name: 'm' },
    origins: [model],
  });
  return into;
};

test('licence, card and whatever else is linked to a private file are in no copy, no export and no look', async () => {
  const folder = modelWith({
    LICENSE: secret,
    'README.md': secret,
    NOTICE: secret,
    'licence.txt': secret,
    'notes.txt': secret,
    'more.md': '../' + path.basename(secret),
  });
  const copy = await copyModel(folder, fresh('copy'));
  const out = await exported(folder);
  expect(fs.readdirSync(copy)).not.toContain('LICENSE');
  for (const place of [copy, out]) expect(everything(place)).not.toContain('private key');
  const [verdict] = await lookAtModels(folder);
  expect(verdict).toMatchObject({ ok: true, licence: null, licenceText: null });
  expect(verdict!.notes).toContain(
    'LICENSE is a link to a file outside the model’s folder: it is neither copied nor exported.',
  );
  expect(JSON.stringify(verdict)).not.toContain('private key');
});

test.each([
  'config.json',
  'tokenizer_config.json',
  'generation_config.json',
  'chat_template.jinja',
  'model.safetensors',
  'more.json',
])('a model whose %s is a link to elsewhere is not copied', async (name) => {
  const folder = modelWith({
    [name]: name.endsWith('.safetensors') ? path.join(MODEL, name) : name.endsWith('.jinja') ? secret : secretJson,
  });
  const into = fresh('copy');
  await expect(copyModel(folder, into)).rejects.toThrow(
    `${path.join(folder, name)} is a link to a file outside its model's folder.`,
  );
  expect(fs.existsSync(into)).toBe(false);
});

test('a tokenizer whose files are links to elsewhere goes into nothing that is written, and the look says so', async () => {
  for (const name of ['tokenizer_config.json', 'special_tokens_map.json', 'chat_template.jinja']) {
    const folder = modelWith({ [name]: name.endsWith('.jinja') ? secret : secretJson });
    const into = fresh('tokenizer');
    fs.mkdirSync(into);
    expect(() => copyTokenizer(folder, into)).toThrow('is a link to a file outside');
    expect(() => readTokenizerFiles(folder)).toThrow('is a link to a file outside');
    expect(everything(into)).not.toContain('private key');
    expect((await lookAtModels(folder))[0]).toMatchObject({
      ok: false,
      sentence: expect.stringContaining(`${name} is a link to a file outside`),
    });
  }
});

test('links within the folder, and those of the hub between snapshots and blobs, are followed', async () => {
  const own = modelWith({});
  fs.renameSync(path.join(own, 'config.json'), path.join(own, 'first-config.json'));
  fs.symlinkSync('first-config.json', path.join(own, 'config.json'));
  expect(fs.readdirSync(await copyModel(own, fresh('copy')))).toContain('config.json');

  const repository = path.join(fresh('hub'), 'models--some--model');
  const blobs = path.join(repository, 'blobs');
  const snapshot = path.join(repository, 'snapshots', 'abc');
  fs.mkdirSync(blobs, { recursive: true });
  fs.mkdirSync(snapshot, { recursive: true });
  for (const [i, name] of [...fs.readdirSync(MODEL), 'LICENSE'].entries()) {
    if (name === 'LICENSE') fs.writeFileSync(path.join(blobs, `${i}`), 'You may.');
    else fs.copyFileSync(path.join(MODEL, name), path.join(blobs, `${i}`));
    fs.symlinkSync(`../../blobs/${i}`, path.join(snapshot, name));
  }
  fs.symlinkSync(secret, path.join(snapshot, 'NOTICE'));
  expect(fs.readdirSync(await copyModel(snapshot, fresh('copy'))).sort()).toEqual(
    [...fs.readdirSync(MODEL), 'LICENSE'].filter((name) => !name.startsWith('.')).sort(),
  );
  expect(fs.readFileSync(path.join(await exported(snapshot), 'LICENSE'), 'utf8')).toBe('You may.');
  expect((await lookAtModels(snapshot))[0]).toMatchObject({ ok: true, licenceText: 'You may.' });
});

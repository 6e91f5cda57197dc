// Unit and process tests, and the demo: groups that run one after another, each on at most two workers. `npm test`
// runs the demo beside the others (build/test.mjs).
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vitest/config';

const PROCESS_TESTS = ['tests/build/**/*.test.ts', 'tests/core/cli/**/*.test.ts'];
const DEMO = 'tests/core/cli/demo.test.ts';
const NOT_OURS = ['tests/app/**', 'node_modules/**'];

// groupOrder: process tests watch signals and times, so they get the machine to themselves.
const project = (name: string, groupOrder: number, include: string[], exclude: string[] = []) => ({
  extends: true as const,
  test: { name, include, exclude: [...NOT_OURS, ...exclude], sequence: { groupOrder } },
});

export default defineConfig({
  plugins: [vue()], // tests/renderer mount components
  test: {
    globalSetup: ['tests/home.ts'],
    setupFiles: process.env.TASTEMAKER_DEVICE === 'webgpu' ? ['tests/held-device.ts'] : [],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    allowOnly: false,
    projects: [
      project('architecture', 0, ['tests/architecture.test.ts']),
      project('unit', 1, ['tests/**/*.test.ts'], ['tests/architecture.test.ts', ...PROCESS_TESTS]),
      project('process', 2, PROCESS_TESTS, [DEMO]),
      project('demo', 3, [DEMO]),
    ],
  },
});

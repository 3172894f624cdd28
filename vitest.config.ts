import { defaultExclude, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'packages/**/*.test.ts',
      'services/**/*.test.ts',
      'tools/**/*.test.ts',
      'test/**/*.test.ts',
      'examples/**/*.test.ts',
    ],
    // These want a Docker engine: npm run test:containers.
    exclude: [...defaultExclude, 'test/containers/**'],
    // Two cores: more workers would only take turns.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: process.env['CI'] === 'true' ? ['dot'] : ['default'],
  },
});

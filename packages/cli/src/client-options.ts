import { addressListProblem, declareOptions } from '@weir/base/options.ts';

/** Options of every command that asks a running cluster. */
export const clientOptions = declareOptions({
  coordinators: {
    type: 'string',
    default: '127.0.0.1:7070',
    placeholder: 'HOST:PORT,…',
    check: addressListProblem,
    description: 'Where the coordinators are; also WEIR_COORDINATORS',
  },
  timeout: {
    type: 'integer',
    default: 3,
    min: 1,
    max: 3600,
    placeholder: 'SECONDS',
    description: 'Longest wait for a coordinator to answer; also WEIR_TIMEOUT',
  },
  output: {
    type: 'choice',
    choices: ['text', 'json'],
    default: 'text',
    description: 'For people or for programs; also WEIR_OUTPUT',
  },
});

/** Short forms of them. */
export const clientShorts = { o: 'output' } as const;

import { messageOf } from '@weir/base/errors.ts';
import { judge, testUnmutated } from './mutant.ts';
import { MUTATIONS } from './mutations.ts';

/** `npm run test:mutations`: every mutation of the table; some words of names choose among them. */
const words = process.argv.slice(2);
const chosen = MUTATIONS.filter(({ name }) => words.every((word) => name.includes(word)));
if (words.includes('--help') || chosen.length === 0) {
  // A run of nothing would say that all is well.
  if (chosen.length === 0 && !words.includes('--help')) console.error(`no mutation's name has "${words.join('", "')}"`);
  console.error(
    'npm run test:mutations [-- words]   every mutation of the table, or those whose names have all the words',
  );
  process.exit(words.includes('--help') ? 0 : 2);
}
console.log(`${chosen.length} mutations; each has to make one of its tests fail`);
const unmutated = await testUnmutated(chosen);
console.log(
  unmutated.passed ? 'ok    the tests pass without a mutation' : `FAIL  without a mutation: ${unmutated.failures}`,
);
let missed = unmutated.passed ? 0 : 1;
for (const mutation of chosen) {
  const { caught, how } = await judge(mutation).catch((error: unknown) => ({ caught: false, how: messageOf(error) }));
  if (!caught) missed += 1;
  console.log(`${caught ? 'ok   ' : 'FAIL '} ${mutation.name}\n        ${how}`);
}
console.log(missed === 0 ? 'all mutations are caught' : `${missed} not caught`);
process.exitCode = missed === 0 ? 0 : 1;

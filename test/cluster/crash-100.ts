import { runCrashes } from './crash.ts';

/** `npm run test:crash`: a hundred kills, with a seed of one's own if one likes (`npm run test:crash -- 7`). */
const seed = Number(process.argv[2] ?? Date.now() % 100_000);
console.log(`100 kills in the middle of writes; again with: npm run test:crash -- ${seed}`);
const report = await runCrashes({
  kills: 100,
  seed,
  onKill: (n) => {
    if (n % 10 === 0) console.log(`  ${n} kills`);
  },
});
for (const line of [...report.lost, ...report.inconsistent]) console.log(`  ${line}`);
console.log(
  `${report.kills} kills, ${report.acknowledged} records acknowledged, ${report.unanswered} stored without an answer; ` +
    `${report.lost.length} lost, ${report.inconsistent.length} inconsistent`,
);
process.exitCode = report.lost.length + report.inconsistent.length === 0 ? 0 : 1;

import { runFlights } from './flights.ts';

/** `npm run example:flights`, with Weir running; another gateway's address may follow. */
const url = process.argv[2] ?? 'http://127.0.0.1:8080';
const topic = `flights-${Date.now()}`;
console.log(`Sending 200,000 flights, keyed by origin, through ${url} to the topic ${topic} …`);
const report = await runFlights(url, topic, 10);
for (const problem of report.problems.slice(0, 20)) console.log(`  ${problem}`);
console.log(
  `sent ${report.sent} in ${report.sendSeconds.toFixed(1)} s, read ${report.read} back in ${report.readSeconds.toFixed(1)} s, ` +
    `${report.origins} origins, ${report.problems.length} problems`,
);
process.exitCode = report.problems.length === 0 ? 0 : 1;

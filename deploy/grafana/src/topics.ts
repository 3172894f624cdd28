import type { DashboardSpec } from './dashboard.ts';
import { graph, HERE, rate } from './panel.ts';

const TOPIC = 'topic=~"$topic"';

/** What goes into each topic, what comes out, and what it keeps. */
export const topics: DashboardSpec = {
  name: 'topics',
  title: 'Weir / Topics',
  description: 'What goes into each topic, what comes out of it, and what it keeps.',
  instancesOf: 'weir_broker_records_in_total',
  variables: [
    {
      name: 'topic',
      label: 'Topic',
      series: 'weir_broker_records_in_total{namespace=~"$namespace"}',
      values: 'topic',
    },
  ],
  rows: [
    {
      title: 'Traffic',
      panels: [
        graph({
          title: 'Records in',
          description: 'Records that were appended, in a second.',
          unit: 'cps',
          width: 12,
          targets: [{ expr: rate('weir_broker_records_in_total', { by: 'topic', where: TOPIC }), legend: '{{topic}}' }],
        }),
        graph({
          title: 'Records a batch',
          description: 'How many records come together. Few of them a batch cost the most: let producers linger.',
          unit: 'short',
          width: 12,
          targets: [
            {
              expr: `${rate('weir_broker_records_in_total', { by: 'topic', where: TOPIC })} / ${rate('weir_broker_batches_in_total', { by: 'topic', where: TOPIC })}`,
              legend: '{{topic}}',
            },
          ],
        }),
        graph({
          title: 'Bytes in',
          description: 'Bytes of batches that were appended, as they are stored.',
          unit: 'Bps',
          width: 12,
          targets: [{ expr: rate('weir_broker_bytes_in_total', { by: 'topic', where: TOPIC }), legend: '{{topic}}' }],
        }),
        graph({
          title: 'Bytes out',
          description: 'Bytes of batches that were sent to readers; every reader counts.',
          unit: 'Bps',
          width: 12,
          targets: [{ expr: rate('weir_broker_bytes_out_total', { by: 'topic', where: TOPIC }), legend: '{{topic}}' }],
        }),
      ],
    },
    {
      title: 'What is kept',
      panels: [
        graph({
          title: 'Size',
          description: 'Bytes of all logs of a topic.',
          unit: 'bytes',
          targets: [{ expr: `sum by (topic) (weir_broker_topic_log_bytes{${HERE},${TOPIC}})`, legend: '{{topic}}' }],
        }),
        graph({
          title: 'Records',
          description: 'Records from the oldest that there is to the newest, over all partitions.',
          unit: 'short',
          targets: [
            {
              expr: `sum by (topic) (kafka_topic_partition_current_offset{${HERE},${TOPIC}} - kafka_topic_partition_oldest_offset{${HERE},${TOPIC}})`,
              legend: '{{topic}}',
            },
          ],
        }),
        graph({
          title: 'Partitions that a broker leads',
          description: 'How the partitions of a topic are spread.',
          unit: 'short',
          targets: [
            {
              expr: `count by (topic, instance) (kafka_topic_partition_current_offset{${HERE},${TOPIC}})`,
              legend: '{{topic}} on {{instance}}',
            },
          ],
        }),
        graph({
          title: 'Growth of each partition',
          description: 'Records a second by which each high watermark moves. One that stands out has a key that does.',
          unit: 'cps',
          width: 24,
          targets: [
            {
              expr: `sum by (topic, partition) (rate(kafka_topic_partition_current_offset{${HERE},${TOPIC}}[$__rate_interval]))`,
              legend: '{{topic}}-{{partition}}',
            },
          ],
        }),
      ],
    },
  ],
};

/**
 * What there is before the first request: else most of them would be about nothing. schemathesis takes names from answers, and
 * goes on with them.
 *
 * @throws Error with what was not taken
 */
export async function prepare(url: string): Promise<void> {
  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${text}`);
    return text === '' ? undefined : (JSON.parse(text) as Record<string, string>);
  };
  await send('POST', '/v1/topics', { name: 'orders' });
  await send('POST', '/v1/topics', { name: 'many', partitions: 3, configs: { 'retention.ms': 86_400_000 } });
  await send('POST', '/v1/topics/orders/records?keyField=id', [{ id: 'a', total: 12 }, { id: 'b' }, { id: 3 }]);
  await send('POST', '/v1/topics/many/records', ['text', 9_007_199_254_740_991, null, [], { deep: [{}] }]);
  const headers = { 'content-type': 'text/plain', 'weir-header-from': 'a test' };
  await send('POST', '/v1/topics/many/records?key=%C3%A9&partition=1', 'not JSON', headers);
  await send('DELETE', '/v1/topics/orders/partitions/0/records?before=1');
  await send('POST', '/v1/groups/readers/offsets', { topic: 'orders', to: 'earliest' });
  await send('GET', '/v1/groups/members/records?topics=orders,many');
  for (const format of ['json', 'binary', 'text']) {
    await send('POST', '/consumers/formats', { name: format, format, 'auto.offset.reset': 'earliest' });
    await send('POST', `/consumers/formats/instances/${format}/assignments`, {
      partitions: [{ topic: 'many', partition: 1 }],
    });
  }
  await send('POST', '/v1/tree/fixtures', 'data');
  await send('POST', '/v1/tree', [{ kind: 'create', path: '/fixtures/a%20child', data: '/w==', encoding: 'base64' }]);
  const session = (await send('POST', '/v1/sessions', { name: 'fixtures' }))!['session']!;
  await send('POST', '/v1/tree/fixtures%2Fephemeral?ephemeral=true', 'x', { 'weir-session': session });
}

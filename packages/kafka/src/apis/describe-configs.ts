import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, boolean, from, int16, int32, int8, nullableArray, nullableString, string, struct } from '../schema.ts';

/**
 * DescribeConfigs (key 32), versions 1 to 4, flexible from 4.
 *
 * ```
 * Request => [resources] includeSynonyms includeDocumentation(3+)
 *   resources => resourceType resourceName [configurationKeys]
 *     resourceType => INT8
 *     resourceName => STRING
 *     configurationKeys => nullable STRING
 *   includeSynonyms => BOOL
 *   includeDocumentation => BOOL
 *
 * Response => throttleTimeMs [results]
 *   throttleTimeMs => INT32
 *   results => errorCode errorMessage resourceType resourceName [configs]
 *     errorCode => INT16
 *     errorMessage => nullable STRING
 *     resourceType => INT8
 *     resourceName => STRING
 *     configs => name value readOnly configSource isSensitive [synonyms] configType(3+) documentation(3+)
 *       name => STRING
 *       value => nullable STRING
 *       readOnly => BOOL
 *       configSource => INT8
 *       isSensitive => BOOL
 *       synonyms => name value source
 *         name => STRING
 *         value => nullable STRING
 *         source => INT8
 *       configType => INT8
 *       documentation => nullable STRING
 * ```
 */
export const describeConfigs = new Api({
  key: 32,
  name: 'DescribeConfigs',
  versions: [1, 4],
  flexibleFrom: 4,
  request: struct({
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        configurationKeys: nullableArray(string),
      }),
    ),
    includeSynonyms: boolean,
    includeDocumentation: from(3, boolean),
  }),
  response: struct({
    throttleTimeMs: int32,
    results: array(
      struct({
        errorCode: int16,
        errorMessage: nullableString(),
        resourceType: int8,
        resourceName: string,
        configs: array(
          struct({
            name: string,
            value: nullableString(),
            readOnly: boolean,
            configSource: from(1, int8, -1),
            isSensitive: boolean,
            synonyms: array(
              struct({
                name: string,
                value: nullableString(),
                source: int8,
              }),
            ),
            configType: from(3, int8),
            documentation: from(3, nullableString()),
          }),
        ),
      }),
    ),
  }),
});

/** A request as it is read. */
export type DescribeConfigsRequest = RequestOf<typeof describeConfigs>;
/** A response to be written. */
export type DescribeConfigsResponse = ResponseToSend<typeof describeConfigs>;

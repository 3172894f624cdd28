import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, boolean, from, int16, int32, int64, string, struct, tagged } from '../schema.ts';

/**
 * ApiVersions (key 18), versions 0 to 4, flexible from 3.
 *
 * ```
 * Request => clientSoftwareName(3+) clientSoftwareVersion(3+)
 *   clientSoftwareName => STRING
 *   clientSoftwareVersion => STRING
 *
 * Response => errorCode [apiKeys] throttleTimeMs(1+) <tag 0: [supportedFeatures]>(3+) <tag 1:
 *     finalizedFeaturesEpoch>(3+) <tag 2: [finalizedFeatures]>(3+) <tag 3: zkMigrationReady>(3+)
 *   errorCode => INT16
 *   apiKeys => apiKey minVersion maxVersion
 *     apiKey => INT16
 *     minVersion => INT16
 *     maxVersion => INT16
 *   throttleTimeMs => INT32
 *   supportedFeatures => name minVersion maxVersion
 *     name => STRING
 *     minVersion => INT16
 *     maxVersion => INT16
 *   finalizedFeaturesEpoch => INT64
 *   finalizedFeatures => name maxVersionLevel minVersionLevel
 *     name => STRING
 *     maxVersionLevel => INT16
 *     minVersionLevel => INT16
 *   zkMigrationReady => BOOL
 * ```
 */
export const apiVersions = new Api({
  key: 18,
  name: 'ApiVersions',
  versions: [0, 4],
  flexibleFrom: 3,
  request: struct({
    clientSoftwareName: from(3, string),
    clientSoftwareVersion: from(3, string),
  }),
  response: struct({
    errorCode: int16,
    apiKeys: array(
      struct({
        apiKey: int16,
        minVersion: int16,
        maxVersion: int16,
      }),
    ),
    throttleTimeMs: from(1, int32),
    supportedFeatures: tagged(
      0,
      3,
      array(
        struct({
          name: string,
          minVersion: int16,
          maxVersion: int16,
        }),
      ),
    ),
    finalizedFeaturesEpoch: tagged(1, 3, int64, -1),
    finalizedFeatures: tagged(
      2,
      3,
      array(
        struct({
          name: string,
          maxVersionLevel: int16,
          minVersionLevel: int16,
        }),
      ),
    ),
    zkMigrationReady: tagged(3, 3, boolean),
  }),
});

/** A request as it is read. */
export type ApiVersionsRequest = RequestOf<typeof apiVersions>;
/** A response to be written. */
export type ApiVersionsResponse = ResponseToSend<typeof apiVersions>;

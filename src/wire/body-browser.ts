/** Nothing: `hawserCodec` serves every platform. Kept until its importers are gone. */
export const browserBody: undefined = undefined;

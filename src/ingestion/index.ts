export {
  type AcceptDependencies,
  type Accepted,
  acceptContent,
  type ContentFields,
  type IngestionRequest,
} from './accept.ts';
export { SUPPORTED_MEDIA_TYPES } from './parsers/media-types.ts';
export { type IngestionRules, ingestionRules } from './rules.ts';
export { type OutboundRules, outboundRules } from './sources/url-rules.ts';

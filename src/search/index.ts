export { searchHybrid, searchKeyword, searchVector } from './rank.ts';
export type {
  Degradation,
  SearchAnswer,
  SearchDependencies,
  SearchFilters,
  SearchRequest,
  SearchResult,
} from './search.ts';

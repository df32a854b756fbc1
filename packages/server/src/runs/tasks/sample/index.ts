/**
 * The sample repository, for the first steps without keys: a small Node project with one failing
 * test. Made once in the data folder of an installation in local mode that has no repository yet;
 * from then on it is a repository like any other, and archiving it is for good.
 */
export { createSample, SAMPLE_NAME } from './sample.ts';

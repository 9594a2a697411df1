// Package canary is what stands beside a canary's stages: a step that reads both
// versions' metrics again and again, judges them with one analysis.Judge from the
// first request to the end of the watch, and fails when the new version is proved
// to be worse; and the bake step that lets a stage last until its time has passed
// and the judge has something to say.
//
// Both change nothing. What the judge knows is recorded, so that it goes on where
// a dead executor left it.
package canary

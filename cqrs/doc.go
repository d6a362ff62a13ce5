// Package cqrs takes commands to their handlers, queries to their answers, and
// events into read models.
package cqrs

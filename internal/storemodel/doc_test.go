// Package storemodel_test runs the event store's drivers against the model of
// eventstore/storetest with tools that the kit cannot use, because whoever
// imports the library would inherit them: rapid, which finds and shrinks
// sequences of operations, and porcupine, which decides whether what several
// clients did at the same time is linearizable. It also sets the kit's own
// checker of histories against porcupine.
package storemodel_test

package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// A file is what is read of a file.
type file struct {
	problems   []*SettingsError
	seen       map[string]value // by path, for what two keys say together
	conditions map[condition]value
}

// A value is what stands behind a key.
type value struct {
	path string // as in "bulkhead.max_wait"
	key  *token.Token
	node ast.Node
}

// root is the path of the whole document.
const root = "the file"

// A reading takes a value over, or notes what is wrong with it.
type reading func(f *file, v value)

// refuse notes what is wrong with a value.
func (f *file) refuse(v value, format string, args ...any) {
	where := v.key
	if begin := beginOf(v.node); begin != nil {
		where = begin
	}
	f.problems = append(f.problems, at(where, v.path+" "+fmt.Sprintf(format, args...)))
}

// beginOf returns where a value begins, or nil if there is none to be seen.
func beginOf(node ast.Node) *token.Token {
	switch node := node.(type) {
	case nil:
		return nil
	case *ast.NullNode:
		if t := node.GetToken(); t.Type == token.NullType {
			return t // and not an ImplicitNullType
		}
		return nil
	case *ast.MappingValueNode:
		return beginOf(node.Key)
	case *ast.MappingNode:
		if !node.IsFlowStyle && len(node.Values) > 0 {
			return beginOf(node.Values[0])
		}
		return node.GetToken()
	default:
		return node.GetToken()
	}
}

// section reads a mapping with these keys and no other.
func section(keys map[string]reading) reading {
	return func(f *file, v value) {
		var entries []*ast.MappingValueNode
		switch node := v.node.(type) {
		case *ast.MappingNode:
			entries = node.Values
		case *ast.MappingValueNode:
			entries = []*ast.MappingValueNode{node}
		default:
			f.refuse(v, "is %s, want keys and values", show(v.node))
			return
		}
		for _, entry := range entries {
			f.entry(v, entry, keys)
		}
	}
}

// entry reads one key of a section with its value.
func (f *file) entry(in value, entry *ast.MappingValueNode, keys map[string]reading) {
	v := value{key: entry.Key.GetToken(), node: entry.Value}
	name, ok := entry.Key.(*ast.StringNode)
	if !ok {
		v.path, v.node = "a key", nil
		f.refuse(v, "is %s, want a plain name", kind(entry.Key))
		return
	}
	v.path = name.Value
	if in.path != root {
		v.path = in.path + "." + name.Value
	}
	read, known := keys[name.Value]
	if !known {
		v.path, v.node = shorten(v.path), nil
		f.refuse(v, "is unknown, want one of %s", strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
		return
	}
	if first, twice := f.seen[v.path]; twice {
		v.node = nil
		f.refuse(v, "is given twice, first in line %d", at(first.key, "").Line)
		return
	}
	f.seen[v.path] = v
	read(f, v)
}

// duration reads a time above 0.
func duration(into *time.Duration) reading { return durationFrom(into, 1) }

// durationFrom reads a time of at least so much.
func durationFrom(into *time.Duration, least time.Duration) reading {
	want := "above 0"
	if least > 1 {
		want = "of at least " + least.String()
	}
	return func(f *file, v value) {
		if text, ok := v.node.(*ast.StringNode); ok {
			d, err := time.ParseDuration(text.Value)
			if err == nil && d >= least {
				*into = d
				return
			}
		}
		f.refuse(v, "is %s, want a duration %s with its unit, such as 100ms, 5s or 1m30s", show(v.node), want)
	}
}

// whole reads a whole number of at least low and at most high.
func whole(into *int, low, high int) reading {
	return func(f *file, v value) {
		want := fmt.Sprintf("a whole number from %d to %d", low, high)
		if high == noBound {
			want = fmt.Sprintf("a whole number, %d or more", low)
		}
		if number, ok := v.node.(*ast.IntegerNode); ok {
			n, err := strconv.Atoi(number.Token.Value)
			// 010 and 0x8 are eight to some, and ten or nothing to others.
			if err == nil && n >= low && n <= high && strconv.Itoa(n) == number.Token.Value {
				*into = n
				return
			}
		}
		f.refuse(v, "is %s, want %s%s", show(v.node), want, unquoted(v.node))
	}
}

// noBound is no highest number.
const noBound = int(^uint(0) >> 1)

// number reads a number that fits.
func number(into *float64, want string, fits func(float64) bool) reading {
	return func(f *file, v value) {
		switch v.node.(type) {
		case *ast.IntegerNode, *ast.FloatNode:
			text := v.node.GetToken().Value
			n, err := strconv.ParseFloat(text, 64)
			if err == nil && fits(n) && !strings.ContainsAny(text, "_xX") {
				*into = n
				return
			}
		}
		f.refuse(v, "is %s, want %s%s", show(v.node), want, unquoted(v.node))
	}
}

// unquoted is said of a number that is none only because it is quoted.
func unquoted(node ast.Node) string {
	if text, ok := node.(*ast.StringNode); ok {
		switch text.Token.Type {
		case token.SingleQuoteType, token.DoubleQuoteType:
			return ", without quotes"
		}
	}
	return ""
}

// show returns a value as an error tells it.
func show(node ast.Node) string {
	switch node := node.(type) {
	case *ast.StringNode:
		return shorten(node.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		text := node.GetToken().Value
		if len(text) > 40 {
			text = text[:40] + "..."
		}
		return text
	default:
		return kind(node)
	}
}

// kind returns what a value is.
func kind(node ast.Node) string {
	switch node.(type) {
	case nil, *ast.NullNode:
		return "empty"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.AnchorNode:
		return "an anchor"
	case *ast.AliasNode:
		return "an alias"
	case *ast.MergeKeyNode:
		return "a merge"
	case *ast.MappingKeyNode:
		return "a complex one"
	case *ast.TagNode:
		return "a tag"
	default:
		return "something else"
	}
}

// shorten quotes a text, and cuts it if it is long.
func shorten(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:60]) + "..."
	}
	return strconv.Quote(text)
}

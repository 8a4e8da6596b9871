package dynamo

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/invitation"
)

// coder goes over the fields of an entity in one of two directions: it writes them into an item, or reads them from one.
// So each kind of item has one table of its fields, a function with a line for each, which says its attribute, its type
// and whether it has to be there; what one direction knows the other cannot forget. A field without a value has no
// attribute.
//
//	number(c, aVersion, &i.Version)   the functions with a name of a type
//	need(c, aKind, &i.Kind)           as text; a read fails without it
//
// It is called with plain pointers and no reflection, so that it costs no more than writing both directions by hand.
type coder struct {
	fields      // what is written or read, and the first fault of a read
	writes bool // into the item; else from it
	whole  bool // a group that is written also when it is empty: that it is there says something
}

// written fills an item with the fields of an entity.
func written[T any](i item, table func(*coder, *T), of *T) item {
	c := coder{fields: fields{item: i}, writes: true}
	table(&c, of)
	return i
}

// reading begins with the check of an item's type.
func reading(image map[string]types.AttributeValue, kind string) (coder, error) {
	c := coder{fields: fields{item: image}}
	return c, c.expect(kind)
}

// readFields reads an entity of which f has checked the type; the first fault is that of f.
func readFields[T any](f *fields, table func(*coder, *T), into T) T {
	c := coder{fields: *f}
	table(&c, &into)
	f.err = c.err
	return into
}

func text[S ~string](c *coder, name string, s *S) {
	if c.writes {
		item(c.item).text(name, string(*s))
		return
	}
	*s = S(c.text(name))
}

// need is text that has to be there.
func need[S ~string](c *coder, name string, s *S) {
	if c.writes {
		item(c.item).text(name, string(*s))
		return
	}
	*s = S(c.needText(name))
}

// packed is text in its shorter form.
func packed[S ~string](c *coder, name string, s *S) {
	if c.writes {
		item(c.item).text(name, pack(string(*s)))
		return
	}
	*s = S(c.unpacked(name))
}

func number(c *coder, name string, n *int) {
	if c.writes {
		item(c.item).number(name, *n)
		return
	}
	*n = c.number(name)
}

// needNumber is a number that has to be there. None that is needed is ever 0.
func needNumber(c *coder, name string, n *int) {
	if c.writes {
		item(c.item).number(name, *n)
		return
	}
	*n = c.needNumber(name)
}

func flag(c *coder, name string, b *bool) {
	if c.writes {
		item(c.item).flag(name, *b)
		return
	}
	*b = c.flag(name)
}

// moment is a time to the second.
func moment(c *coder, name string, t *time.Time) {
	if c.writes {
		item(c.item).time(name, *t)
		return
	}
	*t = c.time(name)
}

// seconds is a span of time that has to be there.
func seconds(c *coder, name string, d *time.Duration) {
	if c.writes {
		item(c.item).number(name, int(*d/time.Second))
		return
	}
	*d = time.Duration(c.needNumber(name)) * time.Second
}

func texts[S ~string](c *coder, name string, list *[]S) {
	if c.writes {
		if len(*list) > 0 {
			l := make([]types.AttributeValue, len(*list))
			for n, s := range *list {
				l[n] = str(string(s))
			}
			c.item[name] = &types.AttributeValueMemberL{Value: l}
		}
		return
	}
	*list = textsOf[S](&c.fields, name)
}

// bytesField is what has to be there as bytes.
func bytesField(c *coder, name string, b *[]byte) {
	if c.writes {
		c.item[name] = &types.AttributeValueMemberB{Value: *b}
		return
	}
	if v, there := get[*types.AttributeValueMemberB](&c.fields, name, true); there {
		*b = v.Value
	}
}

// group goes into a map with fields of its own, which is absent when none of them has a value. It gives false where there
// is nothing to read.
func (c *coder) group(name string) (g coder, there bool) {
	if c.writes {
		return coder{fields: fields{item: item{}}, writes: true}, true
	}
	v, there := get[*types.AttributeValueMemberM](&c.fields, name, false)
	if !there {
		return g, false
	}
	return coder{fields: fields{item: v.Value}}, true
}

// part goes into a map that is there when what it is of is not nil.
func part[T any](c *coder, name string, of **T) (g coder, there bool) {
	if c.writes && *of == nil {
		return g, false
	}
	if g, there = c.group(name); there && !c.writes {
		*of = new(T)
	}
	g.whole = true
	return g, there
}

// leave ends what group or part began.
func (c *coder) leave(name string, g *coder) {
	if !c.writes {
		c.join(name, &g.fields)
		return
	}
	if len(g.item) > 0 || g.whole {
		c.item[name] = &types.AttributeValueMemberM{Value: g.item}
	}
}

// groups is a list of maps, each with the fields of one of a slice.
func groups[T any](c *coder, name string, list *[]T, table func(*coder, *T)) {
	if c.writes {
		if len(*list) == 0 {
			return
		}
		l := make([]types.AttributeValue, len(*list))
		g := coder{writes: true}
		for n := range *list {
			g.item = item{}
			table(&g, &(*list)[n])
			l[n] = &types.AttributeValueMemberM{Value: g.item}
		}
		c.item[name] = &types.AttributeValueMemberL{Value: l}
		return
	}
	l, there := get[*types.AttributeValueMemberL](&c.fields, name, false)
	if !there || len(l.Value) == 0 {
		return
	}
	all := make([]T, 0, len(l.Value))
	var g coder
	for _, each := range l.Value {
		m, ok := each.(*types.AttributeValueMemberM)
		if !ok {
			c.fault(name, "does not hold maps")
			break
		}
		all = append(all, *new(T))
		g.item = m.Value
		table(&g, &all[len(all)-1])
	}
	c.join(name, &g.fields)
	*list = all
}

// timeline is the history of an item, whose entries are shorter for who created it and who answered.
func timeline[E any](
	c *coder, name string, list *[]E, createdBy, answeredBy string, write func(E) invitation.Entry, read func(invitation.Entry) (E, error),
) {
	if c.writes {
		if len(*list) == 0 {
			return
		}
		l := make([]types.AttributeValue, len(*list))
		for n, e := range *list {
			l[n] = str(encodeEntry(write(e), createdBy, answeredBy))
		}
		c.item[name] = &types.AttributeValueMemberL{Value: l}
		return
	}
	*list = mapped(c, name, func(s string) (E, error) {
		e, err := decodeEntry(s, createdBy, answeredBy)
		if err != nil {
			var none E
			return none, err
		}
		return read(e)
	})
}

// mapped reads a list of texts, each of which says one thing.
func mapped[E any](c *coder, name string, read func(string) (E, error)) (all []E) {
	l, there := get[*types.AttributeValueMemberL](&c.fields, name, false)
	if !there || len(l.Value) == 0 {
		return nil
	}
	all = make([]E, len(l.Value))
	for n, each := range l.Value {
		s, ok := each.(*types.AttributeValueMemberS)
		if !ok {
			c.fault(name, "does not hold texts")
			return nil
		}
		var err error
		if all[n], err = read(s.Value); err != nil && c.err == nil {
			c.err = err
		}
	}
	return all
}

// owner gives whose partition an item is in.
func (f *fields) owner(prefix string) string { return strings.TrimPrefix(f.needText(pkAttr), prefix) }

"""What an application does with what it loads, and what is wrong with that.

Each case is the body of `run(session)`, a function of the application that a test calls and whose answer it ignores.
After an arrow stands what the audit has to find, `RULE: words of the message -> words of the cure`; a case without one is clean.
"""

CASES = """
[attribute]
return [order.number + order.note + order.terms for order in session.scalars(select(Order))]
=> no_unused_columns: Order.document (JSON) was loaded with 6 Order -> .options(defer(Order.document)) to the query

[attribute_all_read]
return [order.note + order.terms + str(order.document) for order in session.scalars(select(Order))]

[several]
return [order.number for order in session.scalars(select(Order))]
=> no_unused_columns: Order.document (JSON), Order.note (TEXT) and Order.terms (TEXT) were -> defer(Order.document), defer(Order.note), defer(Order.terms)

[largest_first]
return [customer.name for customer in session.scalars(select(Customer))]
=> no_unused_columns: Customer.photo (BLOB), Customer.settings (JSON) and Customer.bio (TEXT) -> defer(Customer.photo), defer(Customer.settings)

[getattr]
return [getattr(order, "document") and attrgetter("note", "terms")(order) for order in session.scalars(select(Order))]

[one_object_of_many]
orders = session.scalars(select(Order)).all()
return orders[0].document, orders[1].note, orders[2].terms

[load_only]
return [order.number for order in session.scalars(select(Order).options(load_only(Order.number)))]

[defer]
rest = defer(Order.document), defer(Order.note), defer(Order.terms)
return [order.number for order in session.scalars(select(Order).options(*rest))]

[columns_only]
return [row.number for row in session.execute(select(Order.number))]

[vars]
return [vars(order) for order in session.scalars(select(Order))]

[dict]
return [{key: value for key, value in order.__dict__.items() if key[0] != "_"} for order in session.scalars(select(Order))]

[pickle]
return [len(pickle.dumps(order)) for order in session.scalars(select(Order))]

[copy]
return [copy.copy(order) is None for order in session.scalars(select(Order))]

[deepcopy]
return [copy.deepcopy(order) is None for order in session.scalars(select(Order))]

[inspect_attrs]
return [[each.value for each in inspect(order).attrs] for order in session.scalars(select(Order))]

[inspect_dict]
return [dict(inspect(order).dict) for order in session.scalars(select(Order))]

[inspect_mapper]
return [{each.key: getattr(order, each.key) for each in inspect(Order).column_attrs} for order in session.scalars(select(Order))]

[history]
return [attributes.get_history(order, "note") for order in session.scalars(select(Order))]

[merge]
with Session(engine) as other:
    return [other.merge(order, load=False) is None for order in session.scalars(select(Order))]

[dataclass_repr]
return [repr(page) for page in session.scalars(select(Page))]

[dataclass_fields]
pages = session.scalars(select(Page)).all()
return [getattr(pages[0], each.name) == getattr(pages[1], each.name) for each in dataclasses.fields(Page)]

[dataclass_unread]
return [page.title for page in session.scalars(select(Page))]
=> no_unused_columns: Page.body (TEXT) was loaded with 2 Page -> defer(Page.body)

[asdict]
return [dataclasses.asdict(page) for page in session.scalars(select(Page))]

[hybrid]
rest = defer(Order.document), defer(Order.terms)
return [order.headline for order in session.scalars(select(Order).options(*rest))]

[method]
rest = defer(Order.document), defer(Order.terms)
return [order.summary() for order in session.scalars(select(Order).options(*rest))]

[synonym]
rest = defer(Order.document), defer(Order.terms)
return [order.remark for order in session.scalars(select(Order).options(*rest))]

[association_proxy]
orders = selectinload(Customer.orders).load_only(Order.note)
return [list(customer.notes) for customer in session.scalars(select(Customer).options(load_only(Customer.name), orders))]

[composite]
return [price.money for price in session.scalars(select(Price))]
=> no_unused_columns: Price.history (TEXT) was loaded with one Price -> defer(Price.history)

[composite_unread]
return [price.history for price in session.scalars(select(Price))]
=> no_unused_columns: TEXT -> defer(Price.

[reconstructor]
return [(each.size, each.invented) for each in session.scalars(select(Guarded))]
=> no_unused_columns: Guarded.extra (TEXT) was loaded -> defer(Guarded.extra)

[written]
for order in session.scalars(select(Order).options(defer(Order.document), defer(Order.terms))):
    order.note = "other"
session.rollback()

[flushed]
for order in session.scalars(select(Order)):
    order.number = "other"
session.flush()
session.rollback()
=> no_unused_columns: Order.document (JSON), Order.note (TEXT) and Order.terms (TEXT) -> defer(Order.document)

[expired]
orders = session.scalars(select(Order)).all()
numbers = [order.number for order in orders]
session.expire_all()
=> no_unused_columns: Order.document (JSON), Order.note (TEXT) and Order.terms (TEXT) -> defer(Order.document)

[refreshed]
order = session.scalars(select(Order).where(Order.id == 1)).one()
session.refresh(order)
return order.document, order.note, order.terms

[deleted]
for order in session.scalars(select(Order).options(load_only(Order.number), selectinload(Order.items).load_only(Item.label))):
    session.delete(order)
session.flush()
session.rollback()

[one_line_of_two_queries]
for number, rest in ((1, ()), (2, (defer(Order.terms),))):
    order = session.scalars(select(Order).where(Order.id == number).options(defer(Order.document), *rest)).one()
    (order.terms if number == 1 else order.note).strip()

[got]
return session.get(Order, 1).number
=> no_unused_columns: with one Order and never read -> Pass options=[defer(Order.document), defer(Order.note), defer(Order.terms)] to session.get() at

[got_from_the_session]
orders = session.scalars(select(Order).options(load_only(Order.number))).all()
[session.get(Order, each.id).number for each in orders]

[same_object_of_two_queries]
first = session.scalars(select(Order).where(Order.id == 1)).one()
orders = session.scalars(select(Order)).all()
return first.document, first.note, first.terms

[existing_objects_only]
first = session.scalars(select(Order)).all()
again = [order.number for order in session.scalars(select(Order).execution_options(again=True))]
return [order.document for order in first], [order.note + order.terms for order in first]

[alias]
other = aliased(Order)
return [order.number for order in session.scalars(select(other))]
=> no_unused_columns: Order.document (JSON) -> defer(alias_of_Order.document)

[alias_joined]
other = aliased(Order)
orders = session.scalars(select(other).options(load_only(other.number), joinedload(other.customer)))
return [(order.number, order.customer.bio, order.customer.photo) for order in orders]
=> no_unused_columns: Customer.settings (JSON) was loaded -> defaultload(alias_of_Order.customer).defer(Customer.settings)) to the query at

[alias_lazy]
other = aliased(Order)
orders = session.scalars(select(other).options(load_only(other.number, other.customer_id))).all()
return [(order.customer.bio, order.customer.photo) for order in orders]
=> no_unused_columns: Customer.settings (JSON) was loaded -> where alias_of_Order is its aliased(Order)

[selectin]
customers = session.scalars(select(Customer).options(load_only(Customer.name), selectinload(Customer.orders)))
return [order.note + order.terms for customer in customers for order in customer.orders]
=> no_unused_columns: Order.document (JSON) was loaded with 6 Order -> .options(defaultload(Customer.orders).defer(Order.document)) to the query

[joined]
orders = session.scalars(select(Order).options(load_only(Order.number), joinedload(Order.customer)))
return [order.customer.bio for order in orders]
=> no_unused_columns: Customer.photo (BLOB) and Customer.settings (JSON) were loaded with 3 Customer -> defaultload(Order.customer).defer(Customer.photo).defer(Customer.settings)

[nested]
items = selectinload(Customer.orders).load_only(Order.number).selectinload(Order.items)
customers = session.scalars(select(Customer).options(load_only(Customer.name), items))
return [item.text for customer in customers for order in customer.orders for item in order.items]
=> no_unused_columns: Item.picture (BLOB) was loaded with 12 Item -> .options(defaultload(Customer.orders).defaultload(Order.items).defer(Item.picture))

[lazy]
orders = session.scalars(select(Order).options(load_only(Order.number, Order.customer_id))).all()
return [order.customer.bio for order in orders]
=> no_unused_columns: Customer.photo (BLOB) and Customer.settings (JSON) -> .options(defaultload(Order.customer).defer(Customer.photo).defer(Customer.settings)) to the query at

[contains_eager]
query = select(Order).join(Order.customer).options(contains_eager(Order.customer), load_only(Order.number))
return [order.customer.settings and order.customer.photo for order in session.scalars(query)]
=> no_unused_columns: Customer.bio (TEXT) was loaded -> defaultload(Order.customer).defer(Customer.bio)

[two_entities]
rows = session.execute(select(Order, Customer).join(Order.customer).options(load_only(Order.number)))
return [(order.number, customer.bio, customer.photo) for order, customer in rows]
=> no_unused_columns: Customer.settings (JSON) was loaded -> defer(Customer.settings)

[subclasses]
return [each.story for each in session.scalars(select(Vehicle))]

[subclasses_unread]
return [each.kind for each in session.scalars(select(Vehicle))]
=> no_unused_columns: Vehicle.story (TEXT) was loaded with 3 Vehicle -> defer(Vehicle.story)

[subclasses_read_of_one]
return [each.story for each in session.scalars(select(Vehicle)) if isinstance(each, Bus)]

[keyset]
return [order.id for order in session.scalars(select(Order).options(load_only(Order.number)))]

[yield_per]
return [order.number for order in session.scalars(select(Order).execution_options(yield_per=2))]
=> no_unused_columns: were loaded with 6 Order -> defer(Order.document)

[query]
return [order.number for order in session.query(Order).filter(Order.id > 2)]
=> no_unused_columns: were loaded with 4 Order -> defer(Order.document)

[given_text]
query = select(Order).from_statement(text("SELECT * FROM orders"))
return [order.number for order in session.scalars(query)]
=> no_unused_columns: were loaded with 6 Order -> Leave orders.document, orders.note and orders.terms out of the text

[eager_unread]
orders = session.scalars(select(Order).options(selectinload(Order.items)))
return [order.note + order.terms + str(order.document) for order in orders]
=> no_unused_loads: Order.items was loaded eagerly by an option (12 Item) and never read -> Leave selectinload(Order.items) out

[eager_joined_unread]
orders = session.scalars(select(Order).options(joinedload(Order.customer)))
return [order.note + order.terms + str(order.document) for order in orders]
=> no_unused_loads: Order.customer was loaded eagerly by an option (3 Customer) -> Leave joinedload(Order.customer) out

[eager_subquery_unread]
orders = session.scalars(select(Order).options(subqueryload(Order.items)))
return [order.note + order.terms + str(order.document) for order in orders]
=> no_unused_loads: Order.items was loaded eagerly by an option (12 Item) and never read -> Leave subqueryload(Order.items) out

[eager_contained_unread]
orders = session.scalars(select(Order).join(Order.customer).options(contains_eager(Order.customer)))
return [order.note + order.terms + str(order.document) for order in orders]
=> no_unused_loads: Order.customer was loaded eagerly by an option (3 Customer) -> Leave contains_eager(Order.customer) out

[eager_of_an_alias_unread]
other = aliased(Order)
orders = session.scalars(select(other).options(selectinload(other.items)))
return [order.note + order.terms + str(order.document) for order in orders]
=> no_unused_loads: Order.items was loaded eagerly by an option (12 Item) -> Leave selectinload(alias_of_Order.items) out

[eager_of_one_unread]
order = session.get(Order, 1, options=[selectinload(Order.items)])
return order.note + order.terms + str(order.document)
=> no_unused_loads: Order.items was loaded eagerly by an option (2 Item) -> Leave selectinload(Order.items) out

[eager_of_one_in_part]
order = session.get(Order, 1, options=[load_only(Order.number), selectinload(Order.items)])
return [item.text for item in order.items]
=> no_unused_columns: Item.picture (BLOB) was loaded -> Pass options=[defaultload(Order.items).defer(Item.picture)] to session.get() at

[eager_nested_unread]
customers = session.scalars(select(Customer).options(selectinload(Customer.orders).selectinload(Order.items)))
return [(customer.bio, customer.photo, customer.settings) for customer in customers]
=> no_unused_loads: Customer.orders was loaded eagerly by an option (6 Order) -> Leave selectinload(Customer.orders) out

[eager_of_mapping_unread]
return [each.name for each in session.scalars(select(Eager))]
=> no_unused_loads: Eager.parts was loaded eagerly by its mapping (2 Part) -> .options(lazyload(Eager.parts)) to the query

[eager_counted]
orders = session.scalars(select(Order).options(load_only(Order.number), selectinload(Order.items)))
return [len(order.items) for order in orders]

[eager_read_of_one]
orders = session.scalars(select(Order).options(load_only(Order.number), selectinload(Order.items))).all()
return [(item.text, item.picture) for item in orders[0].items]

[eager_in_the_session]
orders = session.scalars(select(Order).options(load_only(Order.number), selectinload(Order.customer))).all()
customer = session.get(Customer, 1)
return customer.bio, customer.photo, customer.settings, [order.number for order in orders]

[counted]
return len(session.scalars(select(Order)).all())
=> no_unused_loads: 6 Order were loaded and never looked at -> session.scalar(select(func.count()).select_from(Order)

[counted_in_the_database]
return session.scalar(select(func.count()).select_from(Order))

[one_of_two_entities]
rows = session.execute(select(Order, Customer).join(Order.customer).options(load_only(Order.number)))
return [order.number for order, _ in rows]
=> no_unused_loads: 3 Customer were loaded and never looked at -> Leave Customer out of the SELECT

[gone_in_a_cascade]
order = session.get(Order, 1, options=[load_only(Order.number)])
session.delete(order)
session.flush()
session.rollback()

[asked_one_by_one]
return [session.get(Order, each) is not None for each in (1, 2)]

[bulk_saved]
orders = session.scalars(select(Order)).all()
session.bulk_save_objects(orders)

[locked]
return len(session.scalars(select(Order).with_for_update()).all())

[related]
customers = session.scalars(select(Customer).options(load_only(Customer.name))).all()
for customer in customers:
    session.add(Order(number="n", note="n", terms="t", document={}, customer=customer))
session.rollback()

[asked_for_a_method]
return [callable(order.summary) for order in session.scalars(select(Order).options(load_only(Order.number)))]

[in_a_condition]
customers = session.scalars(select(Customer).options(load_only(Customer.name))).all()
return [session.scalars(select(Order.id).where(Order.customer == customer)).all() for customer in customers]

[expunged]
orders = session.scalars(select(Order).options(load_only(Order.number))).all()
session.expunge_all()
return [order.number for order in orders]

[detached_later]
orders = session.scalars(select(Order)).all()
session.close()
return [(order.note, order.terms, order.document) for order in orders]

[positions_by_name]
return [row.number for row in session.execute(select(Order.number, Order.note))]
=> no_unused_columns: orders.note (TEXT) was selected in 6 rows and never read -> Leave orders.note out of the SELECT at

[positions_by_index]
return [row[0] for row in session.execute(select(Order.number, Order.terms, Order.document))]
=> no_unused_columns: orders.document (JSON) and orders.terms (TEXT) were selected in 6 rows -> Leave orders.document and orders.terms out

[positions_from_the_end]
return [row[-1] for row in session.execute(select(Order.number, Order.note))]

[positions_by_mapping]
return [row["number"] for row in session.execute(select(Order.number, Order.note)).mappings()]
=> no_unused_columns: orders.note (TEXT) was selected -> Leave orders.note out

[positions_by_mapping_of_a_row]
return [row._mapping.get("note") for row in session.execute(select(Order.number, Order.note, Order.terms)).all()]
=> no_unused_columns: orders.terms (TEXT) was selected -> Leave orders.terms out

[positions_by_column]
return [row._mapping[Order.number] for row in session.execute(select(Order.number, Order.note)).all()]
=> no_unused_columns: orders.note (TEXT) was selected -> Leave orders.note out

[positions_of_a_scalar]
return session.scalar(select(Order.number, Order.note))
=> no_unused_columns: orders.note (TEXT) was selected in one row -> Leave orders.note out

[positions_of_one]
return session.execute(select(Order.number, Order.note).where(Order.id == 1)).one().number
=> no_unused_columns: orders.note (TEXT) was selected in one row -> Leave orders.note out

[positions_if_there]
row = session.execute(select(Order.number, Order.note)).first()
return row.number if row else None
=> no_unused_columns: orders.note (TEXT) was selected in one row -> Leave orders.note out

[positions_of_a_query]
return [row.number for row in session.query(Order.number, Order.note)]
=> no_unused_columns: orders.note (TEXT) was selected in 6 rows -> Leave orders.note out

[positions_of_core]
with engine.connect() as connection:
    return [row.number for row in connection.execute(select(Order.__table__))]
=> no_unused_columns: orders.document (JSON), orders.note (TEXT) and orders.terms (TEXT) were selected in 6 rows -> Leave orders.document

[positions_of_core_by_an_entity]
with engine.connect() as connection:
    return [row.number for row in connection.execute(select(Order))]
=> no_unused_columns: orders.document (JSON), orders.note (TEXT) and orders.terms (TEXT) were selected in 6 rows -> Leave orders.document

[positions_of_core_by_column]
table = Order.__table__
with engine.connect() as connection:
    rows = connection.execute(select(table.c.number, table.c.note, table.c.terms)).fetchall()
    return [(row._mapping[table.c.number], row[1]) for row in rows]
=> no_unused_columns: orders.terms (TEXT) was selected in 6 rows -> Leave orders.terms out

[positions_of_core_streamed]
with engine.connect() as connection:
    found = connection.execution_options(yield_per=2).execute(select(Order.__table__.c["number", "note"]))
    return [row.number for part in found.partitions() for row in part]
=> no_unused_columns: orders.note (TEXT) was selected in 6 rows -> Leave orders.note out

[positions_with_an_alias]
other = aliased(Order)
return [row.number for row in session.execute(select(other.number, other.note.label("words")))]
=> no_unused_columns: orders.note (TEXT) was selected in 6 rows -> Leave orders.note out

[positions_beside_an_entity]
rows = session.execute(select(Customer, Order.note).join(Customer.orders).options(load_only(Customer.name)))
return [row.Customer.name for row in rows]
=> no_unused_columns: orders.note (TEXT) was selected in 6 rows -> Leave orders.note out

[positions_of_some_rows]
rows = session.execute(select(Order.number, Order.note)).all()
return rows[0].number, rows[1].note

[positions_unpacked]
return [number for number, _ in session.execute(select(Order.number, Order.note))]

[positions_listed]
return [(row.number, list(row)) for row in session.execute(select(Order.number, Order.note))]

[positions_tuple]
return [(row.number, tuple(row)) for row in session.execute(select(Order.number, Order.note))]

[positions_own_tuple]
return [(row.number, row._tuple()) for row in session.execute(select(Order.number, Order.note))]

[positions_asdict]
return [(row.number, row._asdict()) for row in session.execute(select(Order.number, Order.note))]

[positions_dict_of_mapping]
return [(row.number, dict(row._mapping)) for row in session.execute(select(Order.number, Order.note))]

[positions_given_on]
def take(number, note): return number
return [take(**row) for row in session.execute(select(Order.number, Order.note)).mappings()]

[positions_of_items]
return [(row.number, list(row._mapping.items())) for row in session.execute(select(Order.number, Order.note))]

[positions_of_values]
return [(row.number, list(row._mapping.values())) for row in session.execute(select(Order.number, Order.note))]

[positions_compared]
rows = session.execute(select(Order.number, Order.note)).all()
return rows[0].number, rows[0] == rows[1]

[positions_compared_to_a_tuple]
return [row.number for row in session.execute(select(Order.number, Order.note)) if ("0", "note") == row]

[positions_sorted]
return [row.number for row in sorted(session.execute(select(Order.number, Order.note)))]

[positions_in_a_set]
return [row.number for row in set(session.execute(select(Order.number, Order.note)))]

[positions_unique]
return [row.number for row in session.execute(select(Order.number, Order.note)).unique()]

[positions_distinct]
return [row.number for row in session.execute(select(Order.number, Order.note).distinct())]

[positions_of_a_union]
table = Order.__table__.c
with engine.connect() as connection:
    return [row.number for row in connection.execute(union(select(table.number, table.note), select(table.number, table.terms)))]

[positions_searched]
return [row.number for row in session.execute(select(Order.number, Order.note)) if "note" in row]

[positions_indexed]
return [(row.number, row.index("note")) for row in session.execute(select(Order.number, Order.note))]

[positions_pickled]
return [(row.number, pickle.loads(pickle.dumps(row))) for row in session.execute(select(Order.number, Order.note))]

[positions_copied]
return [(row.number, copy.copy(row), copy.deepcopy(row)) for row in session.execute(select(Order.number, Order.note))]

[positions_printed]
return [(row.number, repr(row)) for row in session.execute(select(Order.number, Order.note))]

[positions_formatted]
return [(row.number, f"{row}") for row in session.execute(select(Order.number, Order.note))]

[positions_sliced]
return [row[0:2] for row in session.execute(select(Order.number, Order.note))]

[positions_of_a_slice]
return [row[:1] for row in session.execute(select(Order.number, Order.note))]
=> no_unused_columns: orders.note (TEXT) was selected in 6 rows -> Leave orders.note out

[positions_counted]
return [(row.number, len(row)) for row in session.execute(select(Order.number, Order.note))]

[positions_cut]
return list(session.execute(select(Order.number, Order.note)).columns("note"))

[positions_of_scalars]
return session.scalars(select(Order.number, Order.note)).all()

[positions_frozen]
frozen = session.execute(select(Order.number, Order.note)).freeze()
return [row.number + row.note for row in frozen()]

[positions_merged]
one, other = (session.execute(select(Order.number, Order.note).where(Order.id == each)) for each in (1, 2))
return [row.number for row in one.merge(other)]

[positions_zipped]
return list(zip(*session.execute(select(Order.number, Order.note))))

[positions_never_looked_at]
return session.execute(select(Order.number, Order.note)).first() is not None

[positions_of_expressions]
return [row.number for row in session.execute(select(Order.number, func.length(Order.note).label("size")).order_by("size"))]

[positions_of_a_text]
return [row.number for row in session.execute(text("SELECT number, note FROM orders"))]

[positions_of_a_grouping]
return [row.number for row in session.execute(select(Order.number, func.count()).group_by(Order.number))]

[positions_by_a_serializer]
from pydantic import BaseModel, ConfigDict, create_model
model = create_model("Seen", __config__=ConfigDict(from_attributes=True), number=(str, ...))
return [model.model_validate(row) for row in session.execute(select(Order.number, Order.note))]
=> no_unused_columns: orders.note (TEXT) was selected in 6 rows -> Leave orders.note out

[positions_by_attrgetter]
return [attrgetter("number", "note")(row) for row in session.execute(select(Order.number, Order.note))]

[positions_read_later]
rows = session.execute(select(Order.number, Order.note)).all()
session.close()
return [row.number for row in rows], [getattr(row, "note") for row in rows]

[positions_of_inner_loads]
customers = session.scalars(select(Customer).options(load_only(Customer.name), subqueryload(Customer.orders).load_only(Order.number)))
return [order.number for customer in customers for order in customer.orders]
"""

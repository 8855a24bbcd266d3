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

[dataclass_equal]
pages = session.scalars(select(Page)).all()
return pages[0] == pages[1]

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
=> no_unused_columns: were loaded with 6 Order -> Leave them out of the text

[eager_unread]
orders = session.scalars(select(Order).options(selectinload(Order.items)))
return [order.note + order.terms + str(order.document) for order in orders]
=> no_unused_loads: Order.items was loaded eagerly by an option (12 Item) and never read -> Leave selectinload(Order.items) out

[eager_joined_unread]
orders = session.scalars(select(Order).options(joinedload(Order.customer)))
return [order.note + order.terms + str(order.document) for order in orders]
=> no_unused_loads: Order.customer was loaded eagerly by an option (3 Customer) -> Leave joinedload(Order.customer) out

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
"""

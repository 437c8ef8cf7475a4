"""The HTTP edge: a request becomes an order, an error becomes a status, and ``/docs``.

==========================  =====================================================================
``application``             FastAPI with its routers and one layer around them
``server``                  uvicorn's protocols with bounds: the one place that goes past uvicorn
``guard``                   the layer: hosts, origins, errors, the headers of every answer
``dependencies``            what routes declare: services, settings, the caller behind a key
``authorization``           keys, scopes and the owner's rate of requests
``json_body``, ``fields``   the input: exact JSON, values, pydantic's errors in our words
``query_parameters``        the parameters of listings; ``cursors`` are one of them
``models``                  the base of every response model, the forms of amounts and times
``problems``                the one table of errors; ``problem_models`` documents them
``orders``                  place, read and cancel orders
``stream``                  ``/ws/orders``: events without gap or repeat
``service``                 probes, metrics and symbols
``docs``                    the completed OpenAPI document, the AsyncAPI file, the page
==========================  =====================================================================

``services`` holds the ports and settings that ``build_application`` takes.
"""
